"""What helped: the winner with one thing switched at a time, in the same folds, against all its seeds.

A piece `ablation/SWITCH/CANDIDATE/FOLD/TRIAL/SEED` is the refit `refit/CANDIDATE/FOLD/TRIAL/SEED` with one
thing switched. There may be fewer of them than of refits, down to a single seed, which may be a lucky one:
how far the winner's own seeds scatter is part of the interval. A result is a refit's, and may say besides:

- `title`: what was switched, in a few words (`no central crop`); the switch's name by default;
- `learning`: the statement that is put to the test (`a central 50x50 crop helps`);
- `effect`: "without" (the default) where the thing is in the winner and was taken away, "with" where it is
  not in the winner and was added. Either way the contribution is that of having the thing.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bench.evaluate import metrics
from bench.evaluate.comparisons import SIGNIFICANCE, Difference, holm, paired_difference
from bench.evaluate.predictions import Run
from bench.report import formatting
from bench.report.markdown import escape, prose, table
from bench.report.result_rows import interval
from bench.report.run_results import Entry, Source, load_predictions


@dataclass
class Ablation:
    """One switch.

    Attributes
    ----------
    switched : runs with the switch.
    base : all runs of the winner in the same folds.
    contribution : of having the thing: the metric with it less without it; None before any pair is done.
    p_holm : corrected for the number of switches.
    """

    name: str
    candidate: str
    title: str
    learning: str = ""
    effect: str = "without"
    switched: list[Run] = field(default_factory=list)
    base: list[Run] = field(default_factory=list)
    contribution: Difference | None = None
    p_holm: float = 1.0
    failures: list[str] = field(default_factory=list)

    def verdict(self, metric: str) -> str:
        """Whether the data support that it helps."""
        if self.contribution is None:
            return f"failed: {prose(self.failures[0])}" if self.failures else "not measured yet"
        if not self.contribution.seeds_known:
            return "seeds unknown (between these trainings)"
        if self.p_holm >= SIGNIFICANCE:
            return "these data cannot tell"
        more = self.contribution.estimate > 0
        return "supported" if more == (metrics.sign(metric) > 0) else "refuted: it harms"


def find(source: Source) -> list[Ablation]:
    """Collect the ablations of the network that validation prefers, in the order in which they were recorded.

    Those of the trials and seeds that are reported count, and no others that were asked for before.
    """
    found: dict[str, Ablation] = {}
    winner = _winner(source)
    if winner is None:
        return []
    reported = {(str(row.fold), str(row.trial)) for row in winner.searches.itertuples()}
    pieces: dict[str, Any] = {**source.state.done, **source.state.failed}
    for key, result in pieces.items():
        kind, *rest = key.split("/")
        if kind == "pretrain" and len(rest) == 2 and key in source.state.failed:
            candidate, switch = rest
        elif kind == "ablation" and len(rest) == 5:
            switch, candidate, fold, trial, seed = rest
            if (fold, trial) not in reported or int(seed) > winner.seeds_planned:
                continue
        else:
            continue
        if candidate != winner.name:
            continue
        ablation = found.setdefault(switch, Ablation(switch, candidate, switch))
        if not isinstance(result, dict):
            ablation.failures.append(str(result))
            continue
        ablation.title = result.get("title", switch)
        ablation.learning = result.get("learning", "")
        ablation.effect = result.get("effect", "without")
        run, _ = load_predictions(source.folder, result, int(fold), int(seed), source.dropped)
        base = [each for each in winner.runs if each.fold == int(fold)]
        if run is None or not base:
            continue
        if run.fold not in {each.fold for each in ablation.base}:
            ablation.base += base
        ablation.switched.append(run)
    return _compare(list(found.values()), source.metric)


def _winner(source: Source) -> Entry | None:
    """The network of the latest plan whose reported trials have the best mean score on validation."""
    networks = [entry for entry in source.entries if entry.is_network and entry.in_plan]
    scores = [
        metrics.sign(source.metric) * entry.searches.validation.mean(skipna=False) for entry in networks
    ]
    known = [pair for pair in zip(scores, networks, strict=True) if math.isfinite(pair[0])]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _compare(ablations: list[Ablation], metric: str) -> list[Ablation]:
    measured = [ablation for ablation in ablations if ablation.switched]
    found = []
    for ablation in measured:
        sides = (ablation.base, ablation.switched)
        having, lacking = sides if ablation.effect == "without" else sides[::-1]
        found.append(paired_difference(having, lacking, metric, alike=True))
    corrected = holm([each.p if each.seeds_known else 1.0 for each in found])
    for ablation, each, p in zip(measured, found, corrected, strict=True):
        ablation.contribution, ablation.p_holm = each, p
    return ablations


def frame(ablations: list[Ablation], metric: str) -> pd.DataFrame:
    """Make a frame with a row for each; what has not been measured is None."""
    return pd.DataFrame(
        [
            {
                "switch": a.name,
                "architecture": a.candidate,
                "title": a.title,
                "learning": a.learning,
                **interval(a.contribution, "contribution", "low", "high"),
                "p_holm": a.p_holm if a.contribution else None,
                "trainings": len(a.switched),
                "verdict": a.verdict(metric),
            }
            for a in ablations
        ],
        dtype=object,
    )


def blocks(ablations: list[Ablation], titles: dict[str, str], metric: str, title: str) -> list[str]:
    """The table "what helped"; empty where there are no ablations."""
    if not ablations:
        return []
    rows = frame(ablations, metric)
    shown = pd.DataFrame(
        {
            "Statement": [escape(a.learning or a.title) for a in ablations],
            "What was switched": [
                f"{escape(titles.get(a.candidate, a.candidate))}, {escape(a.title)}" for a in ablations
            ],
            "Contribution": [
                formatting.difference_limits(metric, *limits)
                for limits in rows[["contribution", "low", "high"]].itertuples(index=False)
            ],
            "p (Holm)": rows.p_holm.map(formatting.p_value),
            "Trainings": rows.trainings.map(str),
            "These data": rows.verdict,
        }
    )
    return [
        "## What helped",
        table(shown, texts=("What was switched", "These data")),
        f"*Contribution*: {title} with the thing less without it, all else as in the "
        "winner, in the same folds, against the mean of the winner's seeds; paired over subjects, with a 95% "
        "interval that counts how far seeds scatter, taken to be alike with and without. p is corrected for the "
        "number of switches; *supported* needs p < 0.05. *Trainings*: of the switched network.",
    ]
