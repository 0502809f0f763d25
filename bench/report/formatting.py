"""Numbers as readers see them: metrics, differences, times, counts, sizes, dates."""

import functools
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from bench.evaluate import metrics
from bench.evaluate.comparisons import SIGNIFICANCE
from bench.sweep import estimate

NONE = "–"  # stands where there is no number
MINUS = "−"
_AS_PERCENT = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")


def _known(number: float | None) -> TypeGuard[float]:
    return number is not None and math.isfinite(number)


def _of_known(write: Callable[..., str]) -> Callable[..., str]:
    """Make a writer of numbers write `NONE` for what is unknown."""

    @functools.wraps(write)
    def written(number: float | None, *rest: Any) -> str:
        return write(number, *rest) if _known(number) else NONE

    return written


def is_percent(metric: str) -> bool:
    """Whether a metric is a share of samples, which readers know in percent."""
    return metric.split("[")[0].split(":")[0] in _AS_PERCENT


def metric_title(metric: str, classes: Sequence[str]) -> str:
    """Title of a metric in the middle of a sentence: `balanced accuracy`, `AUC`, `sensitivity of late`."""
    title, column = metrics.get(metric).title, metrics.get(metric).of_class
    if "[" in metric and column is not None and column < len(classes):
        return f"sensitivity of {classes[column]}"
    is_name = title[:2].isupper() or title.startswith(("Brier", "Matthews"))
    return title if is_name else title[0].lower() + title[1:]


def headline(metric: str, classes: Sequence[str]) -> str:
    """Title of a metric at the beginning of a line: `Balanced accuracy`."""
    title = metric_title(metric, classes)
    return title[0].upper() + title[1:]


def value(metric: str, number: float | None) -> str:
    """Write a metric: `95.5%`, `0.912`."""
    if not _known(number):
        return NONE
    return f"{100 * number:.1f}%" if is_percent(metric) else _signed(f"{number:.3f}")


def bare(metric: str, number: float | None) -> str:
    """Write a metric without its unit, for use in brackets."""
    return value(metric, number).rstrip("%")


def points(metric: str, number: float) -> str:
    """Write the size of a difference: `1.2 points`, `0.034`."""
    return f"{bare(metric, number)}{' points' if is_percent(metric) else ''}"


def limits(metric: str, low: float, high: float) -> str:
    """Write an interval: `[94.6, 96.3]`."""
    return f"[{bare(metric, low)}, {bare(metric, high)}]"


def with_limits(metric: str, number: float | None, low: float | None, high: float | None) -> str:
    """Write a metric with its interval: `95.5% [94.6, 96.3]`."""
    inside = f" {limits(metric, low, high)}" if _known(low) and _known(high) else ""
    return f"{value(metric, number)}{inside}"


def difference(metric: str, number: float | None, unit: bool = True) -> str:
    """Write a difference of a metric, always signed: `+1.2 points`, `−0.034`."""
    if not _known(number):
        return NONE
    text = _signed(f"{100 * number:+.1f}" if is_percent(metric) else f"{number:+.3f}")
    return f"{text} points" if is_percent(metric) and unit else text


def difference_limits(metric: str, number: float | None, low: float | None, high: float | None) -> str:
    """Write a difference with its interval: `+1.2 points [+0.4, +2.0]`."""
    if number is None:
        return NONE
    inside = f"[{difference(metric, low, unit=False)}, {difference(metric, high, unit=False)}]"
    return f"{difference(metric, number)} {inside}"


@_of_known
def p_value(p: float) -> str:
    """Write a p value: `p = 0.03`, `p < 0.001`; with a digit more where it would seem to be 0.05."""
    digits = 3 if float(f"{p:.2g}") == SIGNIFICANCE else 2
    return "p < 0.001" if p < 0.001 else f"p = {p:.{digits}g}" if p < 0.1 else f"p = {p:.2f}"


@_of_known
def number(value_: float, digits: int = 3) -> str:
    """Write a number to three significant digits, without an exponent: `0.181`, `12.3`; whole from 100 on."""
    if value_ == 0:
        return "0"
    rounded = abs(float(f"{value_:.{digits}g}"))  # 9.996 is 10.0, not 10.00
    decimals = max(digits - 1 - math.floor(math.log10(rounded)), 0)
    return f"{round(value_, decimals):,.{min(decimals, 6)}f}"


def median_p95(median: float | None, p95: float | None) -> str:
    """Write a time with its 95th percentile: `0.514 (0.625)`."""
    return number(median) if p95 is None else f"{number(median)} ({number(p95)})"


@_of_known
def whole(value_: float) -> str:
    """Write a count: `17,900`."""
    return f"{int(value_):,}"


@_of_known
def count(value_: float) -> str:
    """Write a large count to three digits: `17.9 k`, `6.04 M`, `1.21 G`."""
    scaled = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
    return _scaled(value_, scaled, 1000) or str(int(value_))


@_of_known
def size(bytes_: float) -> str:
    """Write a size in binary units: `110 KiB`."""
    scaled = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
    return _scaled(bytes_, scaled, 2**10) or f"{int(bytes_)} B"


def _scaled(value_: float, scaled: Sequence[tuple[float, str]], step: int) -> str:
    """Write a number in the largest unit in which it is 1 or, rounded in the next smaller one, would be `step`."""
    return next((f"{number(value_ / f)} {unit}" for f, unit in scaled if value_ >= f * (1 - 0.5 / step)), "")


def date(seconds: float | None) -> str:
    """Write a moment, given in seconds since 1970, as date and time in UTC."""
    if not seconds:
        return NONE
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


@_of_known
def duration(seconds: float) -> str:
    """Write a time span: `0.5 s`, `45 s`, `3 min 20 s`, `2 h 5 min`."""
    return f"{number(seconds)} s" if seconds < 9.995 else estimate.duration(seconds)


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
