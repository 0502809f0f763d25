"""Metrics of classification by name: values by scikit-learn, defined also where a class is missing.

Predicted class: the column of the highest probability, the first of equal ones. scikit-learn is
imported where it is first used, so that a report that only lists metrics starts at once.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.evaluate import metric_definitions

Direction = Literal["max", "min"]


@dataclass(frozen=True)
class Metric:
    """A metric with what is needed to choose by it and to print it.

    Attributes
    ----------
    name : as in tasks, tables and journals.
    title : as in headings.
    direction : `max` where more is better, `min` where less is.
    bounds : the lowest and highest possible value of any number of classes; `inf` where there is none.
    per_class : a mean over classes (each class weighs the same, however few its subjects).
    of_class : the one class whose sensitivity it is; None where it is the function of that name in
        `metric_definitions`.
    binary : defined for two classes only.
    graded : a sample counts by how probable its class was said to be, not as right or wrong.
    primary : whether a task can be judged by it: its interval holds, and always the same answer is not perfect.
    """

    name: str
    title: str
    direction: Direction = "max"
    bounds: tuple[float, float] = (0.0, 1.0)
    per_class: bool = False
    of_class: int | None = None
    binary: bool = False
    graded: bool = False
    primary: bool = True


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy"),
        Metric("balanced_accuracy", "Balanced accuracy", per_class=True),
        Metric("macro_f1", "Macro F1", per_class=True),
        Metric("auc", "AUC", per_class=True),
        Metric("mcc", "Matthews correlation", bounds=(-1.0, 1.0)),
        Metric("log_loss", "Log loss", "min", bounds=(0.0, float("inf")), graded=True),
        Metric("brier", "Brier score", "min", bounds=(0.0, 2.0), graded=True),
        Metric("calibration_error", "Calibration error", "min", graded=True, primary=False),
        Metric("quadratic_weighted_kappa", "Quadratic weighted kappa", bounds=(-1.0, 1.0)),
        Metric("sensitivity", "Sensitivity", per_class=True, of_class=1, binary=True),
        Metric("specificity", "Specificity", per_class=True, of_class=0, binary=True),
    )
}


def get(name: str) -> Metric:
    """Find a metric by name; `sensitivity[2]` is the sensitivity of class 2.

    Raises ValueError: a name that is none of the metrics; the message lists them.
    """
    if name in METRICS:
        return METRICS[name]
    if match := re.fullmatch(r"sensitivity\[(\d+)\]", name):
        column = int(match[1])
        return Metric(name, f"Sensitivity of class {column}", per_class=True, of_class=column)
    raise ValueError(
        f"metric {name!r} is unknown, expected one of {', '.join(METRICS)} or sensitivity[NUMBER]"
    )


def bounds(name: str, n_classes: int) -> tuple[float, float]:
    """The lowest and highest possible value with so many classes; `inf` where there is none."""
    return (0.0, 1.0) if name == "brier" and n_classes == 2 else get(name).bounds


def direction(name: str) -> Direction:
    """Whether more (`max`) or less (`min`) of a metric is better."""
    return get(name).direction


def sign(name: str) -> int:
    """1 where more of a metric is better, -1 where less is."""
    return 1 if direction(name) == "max" else -1


def score(name: str, y: np.ndarray, probabilities: np.ndarray) -> float:
    """Compute one metric of `y` `[n]` and `probabilities` `[n, classes]`; nan where it is undefined.

    Undefined are the AUC where only one class is present, the sensitivity of an absent class, the
    quadratic weighted kappa of one class only.
    """
    metric = get(name)
    y, probabilities = np.asarray(y), np.asarray(probabilities, dtype=np.float64)
    if metric.binary and probabilities.shape[1] != 2:
        raise ValueError(
            f"{name} is for two classes, found {probabilities.shape[1]}; use sensitivity[NUMBER]"
        )
    with warnings.catch_warnings():
        # Absent classes are expected in small test sets and are dealt with; scikit-learn warns of each.
        warnings.simplefilter("ignore")
        if metric.of_class is not None:
            return metric_definitions.class_sensitivity(y, probabilities, metric.of_class)
        return float(getattr(metric_definitions, name)(y, probabilities))


def named(name: str, classes: Sequence[str]) -> str:
    """Name a metric as `all_metrics` does: `sensitivity[1]` is `sensitivity:<name of that class>`."""
    column = get(name).of_class
    return name if name in METRICS or column is None else f"sensitivity:{classes[column]}"


def all_metrics(y: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Compute every metric that is defined for these predictions, ready for JSON.

    Returns values by name, with `sensitivity:<class name>` for each class; undefined ones are left out, since JSON
    has no nan.
    """
    n_classes = np.asarray(probabilities).shape[1]
    names = {name: name for name, metric in METRICS.items() if not metric.binary or n_classes == 2}
    of_classes = [f"sensitivity[{column}]" for column in range(len(classes))]
    names |= {named(name, classes): name for name in of_classes}
    values = {shown: score(name, y, probabilities) for shown, name in names.items()}
    return {shown: value for shown, value in values.items() if np.isfinite(value)}
