"""Do the intervals and comparisons keep their promises? `python -m tests.simulate [--short]`.

Prints tables in markdown: how often a difference is claimed between names of one architecture (A/A), also where
some or all have a single seed; how often the 95% intervals hold the truth (coverage), also where classes
are few, where few seeds are pooled, and of the best of eight equals; how often two architectures ten
points apart are found to differ (power); and how often a switch that does nothing is said to help or to
harm (ablations, a single training against five). Classifiers are simulated with known accuracy; see
`simulated_classifiers`.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.evaluate.bootstrap import resample, resample_all
from bench.evaluate.comparisons import SIGNIFICANCE, best_of, compare_with_best, paired_difference
from bench.evaluate.intervals import interval, of_replicates
from bench.evaluate.predictions import Run
from bench.evaluate.winner import interval_of_best
from tests.helpers.simulated_classifiers import SEED_SPREAD, Architecture, Study

METRICS = ("accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class Setting:
    """Test data to simulate, and the mean accuracy over classes of what is tried on them."""

    n_subjects: int
    n_classes: int
    accuracy: float
    n_folds: int = 1
    samples_per_subject: int | tuple[int, ...] = 1
    class_sizes: tuple[int, ...] = ()  # the hardest class first
    seeds: tuple[int, ...] = (5,)  # of the first architecture, of the second, ...; then over again
    seed_spread: float = SEED_SPREAD

    def studies(self, name: str, count: int, seed: int) -> Iterator[Study]:
        """Draw `count` studies, whose random numbers hang on the names and numbers of the setting."""
        entropy = [seed, *name.encode(), *repr(self).encode()]
        for child in np.random.SeedSequence(entropy).spawn(count):
            random = np.random.default_rng(child)
            subjects = (self.n_subjects, self.n_classes, self.samples_per_subject, self.n_folds)
            yield Study(random, *subjects, self.seed_spread, self.class_sizes)

    def runs(self, architectures: Sequence[Architecture]) -> dict[str, list[Run]]:
        """Train each architecture with its number of seeds."""
        return {
            f"name {i}": each.runs(self.seeds[i % len(self.seeds)]) for i, each in enumerate(architectures)
        }

    @property
    def cells(self) -> dict[str, object]:
        samples = np.unique(self.samples_per_subject)
        return {
            "subjects": "/".join(map(str, self.class_sizes[::-1])) or self.n_subjects,
            "classes": self.n_classes,
            "folds": self.n_folds,
            "samples a subject": " or ".join(map(str, samples)),
            "seeds": ", ".join(map(str, self.seeds)),
            "true accuracy": f"{self.accuracy:.0%}",
        }


AA_SETTINGS = (
    Setting(40, 2, 0.8),
    Setting(40, 4, 0.8, n_folds=5),
    Setting(200, 2, 0.8),
    Setting(200, 3, 0.8, n_folds=5),
    Setting(200, 10, 0.9),
)

COVERAGE_SETTINGS = (
    *(Setting(n, classes, accuracy) for n in (40, 200) for classes in (2, 4, 10) for accuracy in (0.8, 0.93)),
    Setting(40, 2, 0.98),
    Setting(40, 3, 0.8, n_folds=5),
    Setting(200, 3, 0.8, n_folds=5),
    Setting(40, 3, 0.8, samples_per_subject=5),
)

UNEVEN_SETTINGS = tuple(
    Setting(n, 2, accuracy, samples_per_subject=(many, *[1] * 9) * (n // 10))
    for n, many in ((60, 30), (60, 10), (200, 30))
    for accuracy in (0.8, 0.93)
)

FEW_IN_A_CLASS = tuple(
    Setting(sum(sizes), len(sizes), accuracy, class_sizes=sizes)
    for sizes in ((3, 30), (7, 12, 29), (2, 8, 30), (2, 35))
    for accuracy in (0.8, 0.93)
)

ONE_SEED_SETTINGS = tuple(
    Setting(200, 2, 0.8, seeds=seeds, seed_spread=0.2) for seeds in ((5, 1, 1, 1, 1), (1,), (3, 1), (2, 1, 1))
)

FEW_SEEDS_SETTINGS = tuple(Setting(200, 2, 0.8, seeds=(n,), seed_spread=0.2) for n in (3, 2, 5))

WINNER_SETTINGS = (
    Setting(40, 2, 0.8),
    Setting(40, 2, 0.8, seeds=(3,)),
    Setting(40, 3, 0.9, seeds=(3,)),
    Setting(200, 2, 0.8, seeds=(2,)),
)

POWER_SETTINGS = (Setting(200, 2, 0.8), Setting(200, 3, 0.8, n_folds=5), Setting(200, 10, 0.8))


def false_claims(setting: Setting, count: int, seed: int) -> dict[str, float]:
    """The part of sweeps, of one architecture under five names, in which any difference is claimed."""
    claims = np.zeros((count, len(METRICS)))
    for row, study in zip(claims, setting.studies("A/A", count, seed), strict=True):
        runs = setting.runs([study.architecture(setting.accuracy)] * 5)
        for i, metric in enumerate(METRICS):
            row[i] = any(c.distinguishable for c in compare_with_best(resample_all(runs, metric)).values())
    return dict(zip(METRICS, claims.mean(axis=0), strict=True))


def coverage(setting: Setting, count: int, seed: int) -> dict[str, float]:
    """The part of intervals that hold the architecture's true value."""
    held = np.zeros((count, len(METRICS)))
    for row, study in zip(held, setting.studies("coverage", count, seed), strict=True):
        runs = study.architecture(setting.accuracy).runs(setting.seeds[0])
        for i, metric in enumerate(METRICS):
            found = interval(runs, metric)
            row[i] = found.low <= study.truth(setting.accuracy, metric) <= found.high
    return dict(zip(METRICS, held.mean(axis=0), strict=True))


def pooled_coverage(setting: Setting, count: int, seed: int, metric: str = METRICS[1]) -> dict[str, float]:
    """The part of intervals that hold the truth in sweeps of eight, whose seeds' variance is pooled.

    The architectures are up to 15 points better or worse than the setting's accuracy, and the seeds of every other
    one have four times the variance. With it, the part for these alone, that for each row by itself, and
    the mean width with pooling over that without.
    """
    held, widths = np.zeros((2, count, 8)), np.zeros((2, count, 8))
    for number, study in enumerate(setting.studies("pooled", count, seed)):
        accuracies = setting.accuracy + 0.05 * np.array([-3, -3, -1, -1, 1, 1, 3, 3])
        spreads = [setting.seed_spread / (2, 1)[i % 2] for i in range(8)]
        runs = setting.runs([study.architecture(*each) for each in zip(accuracies, spreads, strict=True)])
        for row, sample in enumerate(resample_all(runs, metric).values()):
            truth, alone = study.truth(accuracies[row], metric), resample(sample.runs, metric)
            for i, found in enumerate((of_replicates(sample), of_replicates(alone))):
                held[i, number, row] = found.low <= truth <= found.high
                widths[i, number, row] = found.high - found.low
    return {
        "pooled": held[0].mean(),
        "pooled, noisier half": held[0, :, 1::2].mean(),
        "each alone": held[1].mean(),
        "width over alone": widths[0].mean() / widths[1].mean(),
    }


def best_of_eight(setting: Setting, count: int, seed: int, metric: str = METRICS[1]) -> dict[str, float]:
    """The part of intervals of the best of eight equal architectures that hold the truth, and its mean error."""
    found = np.zeros((count, 4))
    for row, study in zip(found, setting.studies("winner", count, seed), strict=True):
        runs = setting.runs([study.architecture(setting.accuracy) for _ in range(8)])
        samples = resample_all(runs, metric)
        best, truth = best_of(samples), study.truth(setting.accuracy, metric)
        both = interval_of_best(samples, best), of_replicates(samples[best])
        row[:] = [
            *(each.low <= truth <= each.high for each in both),
            *(each.estimate - truth for each in both),
        ]
    names = ("corrected", "as measured", "bias corrected", "bias as measured")
    return dict(zip(names, found.mean(axis=0), strict=True))


def power(setting: Setting, count: int, seed: int, apart: float = 0.1) -> dict[str, float]:
    """The part of sweeps in which the better of two is named and told from the worse.

    With it, under `<metric> difference`: the part of paired intervals that hold the true difference.
    """
    found = np.zeros((count, 2 * len(METRICS)))
    for row, study in zip(found, setting.studies("power", count, seed), strict=True):
        accuracies = {"better": setting.accuracy + apart / 2, "worse": setting.accuracy - apart / 2}
        runs = {name: study.architecture(accuracy).runs(5) for name, accuracy in accuracies.items()}
        for i, metric in enumerate(METRICS):
            comparisons = compare_with_best(resample_all(runs, metric))
            row[i] = "worse" in comparisons and comparisons["worse"].distinguishable
            difference = paired_difference(runs["better"], runs["worse"], metric)
            true = study.truth(accuracies["better"], metric) - study.truth(accuracies["worse"], metric)
            row[len(METRICS) + i] = difference.low <= true <= difference.high
    names = [*METRICS, *(f"{metric} difference" for metric in METRICS)]
    return dict(zip(names, found.mean(axis=0), strict=True))


def false_switches(setting: Setting, count: int, seed: int) -> dict[str, float]:
    """The part of ablations in which one training of the very same network is claimed to differ."""
    claims = np.zeros((count, len(METRICS)))
    for row, study in zip(claims, setting.studies("ablation", count, seed), strict=True):
        architecture = study.architecture(setting.accuracy)
        winner, switched = architecture.runs(5), architecture.runs(1)
        row[:] = [
            paired_difference(winner, switched, metric, alike=True).p < SIGNIFICANCE for metric in METRICS
        ]
    return dict(zip(METRICS, claims.mean(axis=0), strict=True))


def table(title: str, rows: Sequence[tuple[Setting, dict[str, float]]]) -> str:
    """A markdown table: a row for each setting, a column for each measured part in percent."""
    shown = [
        {**setting.cells, **{name.replace("_", " "): f"{part:.1%}" for name, part in parts.items()}}
        for setting, parts in rows
    ]
    columns = pd.DataFrame(shown)
    sides = ["right"] * len(columns.columns)
    return f"### {title}\n\n{columns.to_markdown(index=False, disable_numparse=True, colalign=sides)}\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few simulations in few settings, for CI")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")
    options = parser.parse_args(arguments)
    sweeps, studies, pick = (100, 200, slice(0, 2)) if options.short else (1000, 2000, slice(None))
    figures = (
        (f"A/A: any difference claimed, {sweeps} sweeps", false_claims, AA_SETTINGS, sweeps),
        (f"A/A with single seeds, {sweeps} sweeps", false_claims, ONE_SEED_SETTINGS, sweeps),
        (f"Coverage of 95% intervals, {studies} studies", coverage, COVERAGE_SETTINGS, studies),
        (f"Coverage with uneven numbers of samples, {studies} studies", coverage, UNEVEN_SETTINGS, studies),
        (f"Coverage with few subjects in a class, {studies} studies", coverage, FEW_IN_A_CLASS, studies),
        (f"Coverage with few seeds, {sweeps} sweeps", pooled_coverage, FEW_SEEDS_SETTINGS, sweeps),
        (f"Coverage and bias of the best of eight, {sweeps} sweeps", best_of_eight, WINNER_SETTINGS, sweeps),
        (
            f"Power at ten points apart, {sweeps} sweeps; coverage of the difference",
            power,
            POWER_SETTINGS,
            sweeps,
        ),
        (f"Ablations: a difference claimed, {sweeps} of each", false_switches, POWER_SETTINGS, sweeps),
    )
    for title, figure, settings, count in figures:
        rows = [(setting, figure(setting, count, options.seed)) for setting in settings[pick]]
        print(table(title, rows), flush=True)


if __name__ == "__main__":
    main()
