"""What the predictions say: the statistics of `bench.evaluate`, for every row of the table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from bench.evaluate import intervals, metrics, weighted_metrics
from bench.evaluate.bootstrap import Replicates, resample_all
from bench.evaluate.comparisons import Comparison, compare_with_best
from bench.evaluate.intervals import Interval
from bench.evaluate.metrics import METRICS
from bench.evaluate.predictions import Run, ensemble, repetitions
from bench.report.run_results import Entry, Source


@dataclass
class Assessment:
    """An entry with what is claimed of it.

    Attributes
    ----------
    validation : mean over folds of the chosen trials' scores; None before the first trial.
    test : of the primary metric; None before the first test.
    ensemble : of the mean probabilities of the seeds; None with fewer than two.
    metrics : every metric that is defined, mean over seeds, folds pooled; `sensitivity[k]` by class.
    comparison : with the best; None for the best itself and for what has not been tested.
    sample : of the primary metric on test subjects, what is known of its seeds pooled over all rows.
    """

    entry: Entry
    validation: float | None = None
    test: Interval | None = None
    ensemble: Interval | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None
    sample: Replicates | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def inference_ms(self) -> float | None:
        """Median of a call at batch 1: a network's in Keras on one thread, a reference's in scikit-learn."""
        return self.entry.inference.get("inference_ms")

    @property
    def parameters(self) -> int | None:
        if "parameters" in self.entry.cost:
            return self.entry.cost["parameters"]
        trials = self.entry.trials
        known = pd.concat([self.entry.refits, trials[trials.chosen]]).parameters.dropna()
        return None if known.empty else int(known.iloc[0])


def assess(source: Source) -> list[Assessment]:
    """Assess every entry of a source, in its order."""
    runs = {entry.name: entry.runs for entry in source.entries if entry.runs}
    seedless = {entry.name for entry in source.entries if not entry.is_network}
    samples = resample_all(runs, source.metric, seedless)
    comparisons = compare_with_best(samples)
    assessments = []
    for entry in source.entries:
        validated, sample = entry.searches.validation, samples.get(entry.name)
        validation = None if validated.isna().all() else float(validated.mean())
        assessment = Assessment(entry, validation, comparison=comparisons.get(entry.name))
        assessments.append(assessment)
        if sample is not None:
            assessment.metrics = estimates(entry.runs)
        if sample is not None and math.isfinite(sample.estimate):
            assessment.test, assessment.sample = intervals.of_replicates(sample), sample
            if averaged := ensemble(entry.runs):
                assessment.ensemble = intervals.interval(averaged, source.metric)
    return assessments


def uninformed(runs: Sequence[Run]) -> dict[str, float]:
    """Every metric of an answer that is the same for each test sample: the shares of the classes among them.

    Its accuracy is that of always saying the most frequent class.
    """
    return estimates(_always(runs, _shares(runs)))


def best_uninformed(runs: Sequence[Run], metric: str) -> float:
    """The best value of a metric that an answer has which is the same for each test sample.

    A class, or the shares of the classes. It is 100% of a sensitivity; nan where the metric is not defined.
    """
    subjects = np.unique(np.concatenate([run.subjects for run in repetitions(runs)[0]]))
    once = np.ones((1, len(subjects)))
    values = [
        float(weighted_metrics.evaluate(metric, [_always(runs, row)], subjects, once)[0, 0])
        for row in (*np.eye(runs[0].n_classes), _shares(runs))
    ]
    return max(values, key=lambda value: metrics.sign(metric) * value)


def _shares(runs: Sequence[Run]) -> np.ndarray:
    y = np.concatenate([run.y for run in repetitions(runs)[0]])
    return np.bincount(y, minlength=runs[0].n_classes) / len(y)


def _always(runs: Sequence[Run], answer: np.ndarray) -> list[Run]:
    """The runs of a repetition, with the same probabilities for each sample."""
    return [replace(run, probabilities=np.tile(answer, (len(run.y), 1))) for run in repetitions(runs)[0]]


def estimates(runs: Sequence[Run]) -> dict[str, float]:
    """Every metric that is defined for these runs, as in `Replicates.estimate`, without its uncertainty."""
    names = [name for name, metric in METRICS.items() if not metric.binary]
    names += [f"sensitivity[{column}]" for column in range(runs[0].n_classes)]
    # Where every subject counts once, all samples may be one's: tables of each subject would take much memory.
    arranged = repetitions([replace(run, subjects=np.zeros(len(run.y), "U1")) for run in runs])
    subjects, weights = np.zeros(1, "U1"), np.ones((1, 1))
    values = {
        name: float(weighted_metrics.evaluate(name, arranged, subjects, weights).mean()) for name in names
    }
    return {name: value for name, value in values.items() if math.isfinite(value)}
