"""How sure the choices of the searches are: what else could have won, and which hyperparameters mattered."""

import pandas as pd

from bench.evaluate import metrics
from bench.evaluate.importance import Importance, importances
from bench.evaluate.intervals import interval
from bench.report import formatting
from bench.report.markdown import code, escape, table
from bench.report.results import Content
from bench.report.run_results import load_validation
from bench.report.statistics import Assessment
from bench.sweep.state import State, search_name

_SHOWN = 3


def blocks(content: Content) -> list[str]:
    """A table with a row for each network and fold, and what it means."""
    rows = [
        row
        for a in content.networks
        for search in a.entry.searches.dropna(subset=["trial"]).itertuples()
        if (row := _row(content, a, search.fold, search.trial))
    ]
    if not rows:
        return []
    shown = pd.DataFrame(rows)
    if shown.Fold.nunique() == 1:
        del shown["Fold"]
    return [
        "### How sure the choices are",
        table(shown, texts=["Best trial of", "Mattered most"]),
        "*Within it*: the other trials whose own score lies in the interval of the best one's, which the search "
        "could have chosen as well; of trials ended early, the score when they were ended. *Mattered most*: "
        "hyperparameters by how the scores of all trials, each after the same first epochs, went along with "
        "them: Spearman's ρ of a number, η² of a choice; p by Spearman's and Kruskal and Wallis' tests, corrected "
        "(Holm) for their number.",
    ]


def _row(content: Content, a: Assessment, fold: int, number: int) -> dict[str, str] | None:
    metric, source = content.metric, content.source
    trials = source.state.trials(a.name, fold)
    if (chosen := trials[number]) is None:
        return None
    sign = metrics.sign(metric)
    validation = load_validation(source.folder, source.state, chosen)
    limits, within = formatting.NONE, formatting.NONE
    if validation is not None:
        found = interval([validation], metric)
        limits = formatting.with_limits(metric, chosen["score"], found.low, found.high)
        lowest = min(sign * found.low, sign * found.high)
        others = [trial for other, trial in trials.items() if trial and other != number]
        within = f"{sum(sign * other['score'] >= lowest for other in others)} of {len(others)}"
    return {
        "Best trial of": escape(a.entry.title),
        "Fold": str(fold),
        "Validation [95% interval]": limits,
        "Within it": within,
        "Mattered most": _mattered(source.state, search_name(a.name, fold), trials, sign),
    }


def _mattered(state: State, search: str, trials: dict[int, dict | None], sign: int) -> str:
    stages = state.stages(search)
    first = [stages.get(number, {}).get((0, 0)) or trial for number, trial in trials.items() if trial]
    found = importances([trial["values"] for trial in first], [sign * trial["score"] for trial in first])
    return ", ".join(map(_said, found[:_SHOWN])) or "too few trials to tell"


def _said(each: Importance) -> str:
    size = f"ρ {each.effect:+.2f}" if each.ordered else f"η² {each.effect:.2f}"
    return f"{code(each.name)} ({size}, {formatting.p_value(each.p_holm)})"
