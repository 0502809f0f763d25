"""Do the intervals and comparisons keep their promises? `python -m bench.evaluate.simulate [--short]`.

Prints four tables in markdown: how often a difference is claimed between names of one architecture (A/A),
how often the 95% intervals hold the truth (coverage), how often two architectures ten points apart are found
to differ (power), and how often a switch that does nothing is said to help or to harm (ablations, a single
training against five). Classifiers are simulated with known accuracy; see `synthetic`.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.evaluate.comparisons import SIGNIFICANCE, compare_with_best, paired_difference
from bench.evaluate.intervals import interval
from bench.evaluate.simulated_classifiers import Study

METRICS = ("accuracy", "balanced_accuracy")
SEEDS = 5


@dataclass(frozen=True)
class Setting:
    """Test data to simulate, and the mean accuracy over classes of what is tried on them."""

    n_subjects: int
    n_classes: int
    accuracy: float
    n_folds: int = 1
    samples_per_subject: int = 1

    def studies(self, name: str, count: int, seed: int) -> Iterator[Study]:
        """Draw `count` studies, whose random numbers hang on the names and numbers of the setting."""
        entropy = [seed, *name.encode(), *repr(self).encode()]
        for child in np.random.SeedSequence(entropy).spawn(count):
            random = np.random.default_rng(child)
            yield Study(random, self.n_subjects, self.n_classes, self.samples_per_subject, self.n_folds)

    @property
    def cells(self) -> list[object]:
        return [
            self.n_subjects,
            self.n_classes,
            self.n_folds,
            self.samples_per_subject,
            f"{self.accuracy:.0%}",
        ]


SETTING_COLUMNS = ["subjects", "classes", "folds", "samples a subject", "true accuracy"]

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

POWER_SETTINGS = (Setting(200, 2, 0.8), Setting(200, 3, 0.8, n_folds=5), Setting(200, 10, 0.8))


def false_claims(setting: Setting, count: int, seed: int) -> dict[str, float]:
    """The part of sweeps, of one architecture under five names, in which any difference is claimed."""
    claims = np.zeros((count, len(METRICS)))
    for row, study in zip(claims, setting.studies("A/A", count, seed), strict=True):
        architecture = study.architecture(setting.accuracy)
        runs = {f"name {i}": architecture.runs(SEEDS) for i in range(5)}
        row[:] = [any(c.distinguishable for c in compare_with_best(runs, metric)) for metric in METRICS]
    return dict(zip(METRICS, claims.mean(axis=0), strict=True))


def coverage(setting: Setting, count: int, seed: int) -> dict[str, float]:
    """The part of intervals that hold the architecture's true value."""
    held = np.zeros((count, len(METRICS)))
    for row, study in zip(held, setting.studies("coverage", count, seed), strict=True):
        runs = study.architecture(setting.accuracy).runs(SEEDS)
        for i, metric in enumerate(METRICS):
            found = interval(runs, metric)
            row[i] = found.low <= study.truth(setting.accuracy, metric) <= found.high
    return dict(zip(METRICS, held.mean(axis=0), strict=True))


def power(setting: Setting, count: int, seed: int, apart: float = 0.1) -> dict[str, float]:
    """The part of sweeps in which the better of two is named and told from the worse.

    With it, under `<metric> difference`: the part of paired intervals that hold the true difference.
    """
    found = np.zeros((count, 2 * len(METRICS)))
    for row, study in zip(found, setting.studies("power", count, seed), strict=True):
        accuracies = {"better": setting.accuracy + apart / 2, "worse": setting.accuracy - apart / 2}
        runs = {name: study.architecture(accuracy).runs(SEEDS) for name, accuracy in accuracies.items()}
        for i, metric in enumerate(METRICS):
            (comparison,) = compare_with_best(runs, metric)
            row[i] = comparison.best == "better" and comparison.distinguishable
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
        winner, switched = architecture.runs(SEEDS), architecture.runs(1)
        row[:] = [
            paired_difference(winner, switched, metric, alike=True).p < SIGNIFICANCE for metric in METRICS
        ]
    return dict(zip(METRICS, claims.mean(axis=0), strict=True))


def table(title: str, rows: Sequence[tuple[Setting, dict[str, float]]]) -> str:
    """A markdown table: a row for each setting, a column for each measured part in percent."""
    columns = [*SETTING_COLUMNS, *(name.replace("_", " ") for name in rows[0][1])]
    lines = [f"### {title}", "", f"| {' | '.join(columns)} |", "| " + "---: | " * len(columns)]
    for setting, parts in rows:
        cells = [*map(str, setting.cells), *(f"{part:.1%}" for part in parts.values())]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.evaluate.simulate", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few simulations in few settings, for CI")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")
    options = parser.parse_args(arguments)
    sweeps, studies, pick = (100, 200, slice(0, 2)) if options.short else (1000, 2000, slice(None))
    figures = (
        (f"A/A: any difference claimed, {sweeps} sweeps", false_claims, AA_SETTINGS, sweeps),
        (f"Coverage of 95% intervals, {studies} studies", coverage, COVERAGE_SETTINGS, studies),
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
