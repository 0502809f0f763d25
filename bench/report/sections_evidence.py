"""The evidence: other metrics, errors, images, hyperparameters, how the searches went, what failed."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from bench.evaluate import metrics
from bench.evaluate.importance import Importance, importances
from bench.evaluate.intervals import interval
from bench.report import formatting, sample_images
from bench.report.markdown import code, escape, folded, picture, prose, table
from bench.report.results import Content
from bench.report.run_results import Source, load_validation
from bench.report.statistics import Assessment
from bench.sweep.halving import early_quality
from bench.sweep.state import search_name

_MOST_CLASSES = 20
_MOST_MATTERED = 3  # hyperparameters of a search

# What is said of each picture; {shown} are the networks whose errors are shown.
_PICTURES = {
    "confusion": (
        "Confusion",
        "Of {shown}: in percent of a class's test samples, white 0 and dark blue 100, all seeds.",
    ),
    "calibration": (
        "Calibration",
        "Share of right answers against stated confidence, all seeds; on the diagonal, confidence means "
        "what it says. The larger a dot, the more samples; error: the calibration error.",
    ),
    "samples": (
        "Samples of each class",
        "As the networks see them; of volumes the slices at a quarter, half and three quarters of the depth.",
    ),
    "hardest": (
        "Hardest test images",
        "True class, class predicted, and probability of the true one, mean over all trainings of networks "
        "that were tested on the image (of references where there is no network).",
    ),
    "learning": (
        "Learning curves",
        "The best trials, a line a fold. The training loss includes what training adds (augmentation, dropout, "
        "label smoothing, weights of classes).",
    ),
    "search": (
        "How the searches went",
        "Best validation score so far, mean over folds; time is the workers', tracing included.",
    ),
}


def blocks(content: Content, pictures: dict[str, str]) -> list[str]:
    """The section "Evidence"."""
    found = [
        *_metrics(content),
        *_sensitivities(content),
        *_show(content, pictures, "confusion", "calibration", "samples", "hardest"),
        *_hyperparameters(content),
        *_choices(content),
        *_show(content, pictures, "learning", "search"),
        *_failures(content),
    ]
    return ["## Evidence", *found] if found else []


def _show(content: Content, pictures: dict[str, str], *names: str) -> list[str]:
    shown = " and ".join(a.entry.title for a in content.shown)
    found, classes = [], content.source.classes
    for name in names:
        if name in pictures:
            title, text = _PICTURES[name]
            if name == "samples" and len(classes) > (most := sample_images.MOST_CLASSES):
                text += f" The first {most} of {len(classes)} classes."
            found += [f"### {title}", picture(title, pictures[name]), escape(text.format(shown=shown))]
    return found


def _metrics(content: Content) -> list[str]:
    arrows = {"max": "↑", "min": "↓"}
    titles = {
        name: f"{metric.title} {arrows[metric.direction]}"
        for name, metric in metrics.METRICS.items()
        if not metric.binary and any(name in a.metrics for a in content.tested)
    }
    if not titles:
        return []
    return [
        "### Other metrics",
        scores("Test", titles, [*_tested(content), ("*Always the same answer*", content.uninformed)]),
        "Means over seeds, folds pooled; ↑ more is better, ↓ less is better. AUC: area under the ROC curve, one "
        "class against the rest, over pairs within a fold. Calibration error: mean gap between confidence and "
        "accuracy in ten bins; it is biased upwards on small test sets, the more so the fewer subjects. An SVM's "
        "probabilities are a softmax of its decision values: its log loss, Brier score and calibration mean "
        "little. Always the same answer: the most frequent class, with the shares of the classes as probabilities."
        + _order(content.source.classes),
    ]


def _order(classes: list[str]) -> str:
    """What the quadratic weighted kappa hangs on, where it matters."""
    if not 2 < len(classes) <= _MOST_CLASSES:
        return ""
    return f" Quadratic weighted kappa takes the classes in the order {', '.join(map(escape, classes))}."


def scores(what: str, titles: dict[str, str], found: Iterable[tuple[str, dict[str, Any]]]) -> str:
    """A table of the metrics that `titles` names, `found` of each row."""
    rows = [[name, *(formatting.value(metric, of.get(metric)) for metric in titles)] for name, of in found]
    return table(pd.DataFrame(rows, columns=[what, *titles.values()]))


def _tested(content: Content) -> list[tuple[str, dict[str, float]]]:
    return [(escape(a.entry.title), a.metrics) for a in content.tested]


def _sensitivities(content: Content) -> list[str]:
    classes = content.source.classes
    if not content.tested or len(classes) > _MOST_CLASSES:
        return []
    titles = {f"sensitivity[{label}]": escape(name) for label, name in enumerate(classes)}
    of_two = " Of two classes, the sensitivity of one is the specificity of the other."
    return [
        "### Sensitivity by class",
        scores("Test", titles, _tested(content)),
        "The share of a class's test samples that are predicted right."
        + (of_two if len(classes) == 2 else ""),
    ]


def _hyperparameters(content: Content) -> list[str]:
    found = content.searches[content.searches.trial.notna()]
    if found.empty:
        return []
    shown = pd.DataFrame(
        {
            "Best trial of": [escape(content.titles[name]) for name in found.architecture],
            "Fold": found.fold.map(str),
            "Trial": found.trial.map(str),
            "Validation": [formatting.value(content.metric, score) for score in found.validation],
            "Hyperparameters": found.hyperparameters.map(_values),
        }
    )
    if found.fold.nunique() == 1:
        del shown["Fold"]
    block = table(shown, texts=list(shown))
    if len(shown) > 12:
        block = folded(f"of {len(shown)} searches", block)
    return ["### Best hyperparameters", block]


def _values(values: dict[str, Any]) -> str:
    written = {name: f"{each:.3g}" if isinstance(each, float) else each for name, each in values.items()}
    return ", ".join(f"{code(name)} {escape(each)}" for name, each in written.items())


def _choices(content: Content) -> list[str]:
    """How sure the choices are: what else could have won each search, and which hyperparameters mattered."""
    rows = [
        _choice(content, a, search.fold, search.trial)
        for a in content.networks
        for search in a.entry.searches.dropna(subset=["trial"]).itertuples()
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
        "hyperparameters by how the scores of all trials, each after the same first epochs (where full trainings "
        "are scored on inner folds, the AUC after them), went along with them: Spearman's ρ of a number, above 0 "
        "where larger ones did better, η² of a choice; p by Spearman's and Kruskal and Wallis' tests, corrected "
        "(Holm) for their number.",
    ]


def _choice(content: Content, a: Assessment, fold: int, number: int) -> dict[str, str]:
    metric, source, search = content.metric, content.source, search_name(a.name, fold)
    chosen = source.state.done[f"trial/{search}/{number}"]
    trials = source.state.trials(a.name, fold, a.entry.plan["trials"])
    sign = metrics.sign(metric)
    validation = load_validation(source.folder, source.state, chosen)
    limits, within = formatting.NONE, formatting.NONE
    if validation:
        found = interval(validation, metric)
        limits = formatting.with_limits(metric, chosen["score"], found.low, found.high)
        lowest = min(sign * found.low, sign * found.high)
        others = [trial for other, trial in trials.items() if trial and other != number]
        within = f"{sum(sign * other['score'] >= lowest for other in others)} of {len(others)}"
    return {
        "Best trial of": escape(a.entry.title),
        "Fold": str(fold),
        "Validation [95% interval]": limits,
        "Within it": within,
        "Mattered most": _mattered(source, search, trials, sign),
    }


def _mattered(source: Source, search: str, trials: dict[int, dict | None], sign: int) -> str:
    stages, few = source.state.stages[search], "inner" in source.sweep["identity"].get("splits", {})
    first = [stages.get(number, {}).get((0, 0)) or trial for number, trial in trials.items() if trial]
    lengths = [trial["epochs"] for trial in first]  # Hyperband's brackets differ
    usual = max(lengths, key=lengths.count, default=None)
    first = [trial for trial in first if trial["epochs"] == usual]
    found = importances(
        [trial["values"] for trial in first], [early_quality(trial, sign, few) for trial in first]
    )
    return ", ".join(map(_said, found[:_MOST_MATTERED])) or "too few trials to tell"


def _said(each: Importance) -> str:
    size = f"ρ {each.effect:+.2f}" if each.ordered else f"η² {each.effect:.2f}"
    return f"{code(each.name)} ({size}, {formatting.p_value(each.p_holm)})"


def _failures(content: Content) -> list[str]:
    rows = [
        {"Of": escape(a.entry.title), "Pieces": str(number), "Reason": prose(reason)}
        for a in content.assessments
        for reason, number in a.entry.failures.most_common()
    ]
    return ["### Failures", table(pd.DataFrame(rows), texts=("Pieces", "Reason"))] if rows else []
