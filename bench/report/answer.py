"""The answer: the best, the cheapest that the data cannot tell from it, and what more accuracy costs.

The rules are `RULES`, which every report prints; the functions below do what they say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.evaluate import metrics
from bench.evaluate.comparisons import Difference, paired_difference
from bench.report import formatting
from bench.report.markdown import escape
from bench.report.statistics import Assessment

SAME_TIME = 1.1

RULES = (
    "*Best*: the highest mean of the primary metric on test subjects over seeds, networks and references "
    "alike (the lowest, where less is better).",
    "*Indistinguishable*: the paired difference from the best has p ≥ 0.05, corrected (Holm) for all pairs "
    "in the table. This is no proof of equality: a larger test set may tell them apart.",
    "*Cheapest*: of the best and those that are indistinguishable from it, the lowest inference time (batch "
    "1, median); of those within 10% of the lowest, the fewest parameters (references, which have none, "
    "come last), then the better test result. Where no inference time has been measured, parameters decide.",
    "*Front*: sorted by inference time, every row that is better than all faster ones. A step's difference "
    "is paired, its interval not corrected for the number of steps.",
)


@dataclass(frozen=True)
class Step:
    """A step along the front: what the slower of two neighbours gains, and for how many times the time."""

    faster: Assessment
    slower: Assessment
    gain: Difference
    times: float


@dataclass(frozen=True)
class Answer:
    """What the report says first.

    Attributes
    ----------
    best, cheapest : None before the first test; may be the same.
    equals : those indistinguishable from the best, in the order of the table.
    front : by rising inference time.
    """

    best: Assessment | None
    cheapest: Assessment | None
    equals: list[Assessment]
    front: list[Assessment]
    steps: list[Step]


def find(assessments: Sequence[Assessment], metric: str) -> Answer:
    """Apply the rules."""
    tested = [a for a in assessments if a.test is not None]
    if not tested:
        return Answer(None, None, [], [], [])
    # The best is the one that the others have been compared with.
    best = next(a for a in tested if a.comparison is None)
    equals = [a for a in tested if a.comparison is not None and not a.comparison.distinguishable]
    front = pareto(tested, metric)
    steps = [
        Step(
            faster,
            slower,
            paired_difference(slower.entry.runs, faster.entry.runs, metric),
            (slower.inference_ms or 0.0) / (faster.inference_ms or 1.0),
        )
        for faster, slower in pairwise(front)
    ]
    return Answer(best, cheapest([best, *equals], metric), equals, front, steps)


def cheapest(among: Sequence[Assessment], metric: str) -> Assessment:
    """The cheapest by the rule; `among` must not be empty."""
    timed = [a for a in among if a.inference_ms is not None]
    lowest = min((a.inference_ms or 0.0 for a in timed), default=0.0)
    close = [a for a in timed if (a.inference_ms or 0.0) <= lowest * SAME_TIME] or list(among)
    return min(close, key=lambda a: (a.parameters or float("inf"), -_goodness(a, metric)))


def pareto(tested: Sequence[Assessment], metric: str) -> list[Assessment]:
    """Those that are better than all faster ones, by rising inference time."""
    timed = [a for a in tested if a.inference_ms is not None]
    front: list[Assessment] = []
    for a in sorted(timed, key=lambda a: (a.inference_ms, -_goodness(a, metric))):
        if not front or _goodness(a, metric) > _goodness(front[-1], metric):
            front.append(a)
    return front


def ranked(assessments: Sequence[Assessment], metric: str) -> list[Assessment]:
    """In the order of the table: by test, then by validation, what has neither last."""
    sign = 1 if metrics.direction(metric) == "max" else -1
    return sorted(
        assessments,
        key=lambda a: (
            a.test is None,
            -_goodness(a, metric) if a.test else 0.0,
            a.validation is None,
            -sign * (a.validation or 0.0),
        ),
    )


def _goodness(a: Assessment, metric: str) -> float:
    assert a.test is not None
    return a.test.estimate if metrics.direction(metric) == "max" else -a.test.estimate


def sentences(answer: Answer, assessments: Sequence[Assessment], metric: str) -> list[str]:
    """The answer in words, ready markdown: the best, the cheapest."""
    best, cheap = answer.best, answer.cheapest
    if best is None or cheap is None or best.test is None:
        return [_without_tests(assessments, metric)]
    title = formatting.metric_title(metric)
    found = formatting.with_limits(metric, best.test.estimate, best.test.low, best.test.high)
    tested = sum(a.test is not None for a in assessments)
    subjects = "on test subjects that no decision has seen"
    if tested == 1:
        only = f"{_name(best)} reaches {found} {title} {subjects}; nothing else has been tested to compare it with."
        return [only]
    lines = [f"{_name(best)} is the best: {found} {title} {subjects}."]
    if not best.entry.is_network:
        lines[0] = lines[0][:-1] + "; it is a classical reference, which no network beats here."
    others = len(answer.equals)
    if not others:
        lines.append(f"The data tell the other {_many(tested - 1)} from it: each is worse.")
    elif cheap is best:
        also = f"The data cannot tell {_many(others)} others from it; none of them is cheaper."
        one = f"The data cannot tell {_name(answer.equals[0])} from it, which is not cheaper."
        lines.append(also if others > 1 else one)
    else:
        lines.append(
            f"{_name(cheap)} is the cheapest that the data cannot tell from it{_saving(cheap, best, metric)}."
        )
    networks = [a for a in (best, *answer.equals) if a.entry.is_network]
    if not cheap.entry.is_network and networks:
        network = cheapest(networks, metric)
        if network is not best:
            lines.append(
                f"The cheapest network among them is {_name(network)}{_saving(network, best, metric)}."
            )
    elif not cheap.entry.is_network:
        lines.append("No network reaches it.")
    return lines


def _saving(cheap: Assessment, best: Assessment, metric: str) -> str:
    """What the cheaper one costs in the metric and saves in time and size: `: 95.5% [..], 0.2 ms against ..`."""
    parts = []
    if cheap.test is not None:
        parts.append(formatting.with_limits(metric, cheap.test.estimate, cheap.test.low, cheap.test.high))
    if cheap.inference_ms is not None and best.inference_ms is not None:
        ours, others = (formatting.number(a.inference_ms) for a in (cheap, best))
        parts.append(f"{ours} ms a sample against {others} ms")
    if cheap.parameters and best.parameters:
        parts.append(
            f"{formatting.whole(cheap.parameters)} parameters against {formatting.whole(best.parameters)}"
        )
    return (": " + ", ".join(parts) if parts else "") + _room(cheap, metric)


def _room(a: Assessment, metric: str) -> str:
    """How much worse than the best it may still be: not to be told apart is not to be equal."""
    if a.comparison is None:
        return ""
    difference = a.comparison.difference
    most = -difference.low if metrics.direction(metric) == "max" else difference.high
    unit = " points" if formatting.is_percent(metric) else ""
    return (
        f"; the data leave room for it to be up to {formatting.bare(metric, most)}{unit} worse"
        if most > 0
        else ""
    )


def front_lines(answer: Answer, metric: str) -> list[str]:
    """What each step along the front buys, a list item each; empty where there is no step."""
    lines = []
    for step in answer.steps:
        gain = step.gain
        sign = 1 if metrics.direction(metric) == "max" else -1
        found = formatting.difference_limits(metric, gain.estimate, gain.low, gain.high)
        certain = (gain.low > 0) if sign > 0 else (gain.high < 0)
        lines.append(
            f"- from {_name(step.faster)} ({formatting.number(step.faster.inference_ms)} ms) to "
            f"{_name(step.slower)} "
            f"({formatting.number(step.slower.inference_ms)} ms): {found} for "
            f"{formatting.number(step.times, 2)} times the inference time"
            f"{'' if certain else '; the interval includes no gain at all'}"
        )
    return lines


def _without_tests(assessments: Sequence[Assessment], metric: str) -> str:
    validated = [a for a in assessments if a.validation is not None]
    if not validated:
        if assessments and all(a.entry.blocked for a in assessments):
            return "There is no answer: everything that was tried has failed. The reasons stand in the table."
        return "There is no answer yet: nothing has been trained to its end."
    leading = ranked(validated, metric)[0]
    return (
        f"There is no answer yet: nothing has been tested. On validation, which overstates, {_name(leading)} leads "
        f"with {formatting.value(metric, leading.validation)} {formatting.metric_title(metric)}."
    )


def _name(a: Assessment) -> str:
    return f"**{escape(a.entry.title)}**"


def _many(number: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[number] if number < len(words) else str(number)
