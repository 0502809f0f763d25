"""The answer: the best, the cheapest that the data cannot tell from it, and what more accuracy costs.

The rules are `RULES`, which every report prints; the functions below do what they say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bench.evaluate import metrics
from bench.evaluate.comparisons import Difference, contenders, difference
from bench.evaluate.intervals import Interval
from bench.evaluate.winner import interval_of_best
from bench.report import formatting
from bench.report.markdown import escape
from bench.report.statistics import Assessment

SAME_TIME = 1.1

RULES = (
    "*Best*: the highest mean of the primary metric on test subjects over seeds, networks and references "
    "alike (the lowest, where less is better), of those that were tested on the most subjects: one that has "
    "been tested in a single fold may have had the easy one, and is compared over the subjects of both. Of exact "
    "ties it is the first in the task's order, networks before references. Being "
    "chosen by these subjects, it is partly lucky: of eight equal networks and forty subjects, the best shows "
    "four points too much. The answer's result is corrected for that: where bootstrap replicates move all "
    "results as chance may, what the move gives to the then best is taken off, and half of what that one's "
    "measured result falls short of the best; the interval reaches from the lower limit about the corrected "
    "result to the upper one about the measured. Tables and figures show results as measured. Validation's "
    "choice has not seen the test subjects, so its own result needs no correction.",
    "*Indistinguishable*: the paired difference from the best has p ≥ 0.05, corrected (Holm) for all pairs "
    "in the table. This is no proof of equality: a larger test set may tell them apart.",
    "*Seeds unknown*: where no row has two seeds, nothing shows how far seeds scatter, and no difference to or "
    "between networks is claimed. Where some have, a row's variance between seeds is shrunken towards what all "
    "show.",
    "*Cheapest*: of the best and those that are indistinguishable from it, the network with the lowest "
    "inference time (batch 1, median); of those within 10% of the lowest, the one with the fewest parameters, "
    "then the better test result. Where no inference time has been measured, parameters decide. References are "
    "timed in scikit-learn, networks in Keras, so their times are not compared with each other.",
    "*Front*: networks sorted by inference time, every one that is better than all faster ones. A step's "
    "difference is paired, its interval not corrected for the number of steps.",
)


@dataclass(frozen=True)
class Answer:
    """What the report says first.

    Attributes
    ----------
    best, cheapest : None before the first test; may be the same. The cheapest is a network, or None.
    test : of the best, corrected for its choice; None before the first test.
    by_validation : what validation alone would have chosen, the task's first of exact ties; None if nothing tested
        has been validated.
    equals, unknown : those indistinguishable from the best, and those not compared, since nothing shows how far
        seeds scatter; in the order of the table.
    better : those tested on fewer subjects than the best, and better than it over these.
    contenders : of how many the best is one.
    front : networks by rising inference time.
    """

    best: Assessment | None = None
    cheapest: Assessment | None = None
    test: Interval | None = None
    by_validation: Assessment | None = None
    equals: list[Assessment] = field(default_factory=list)
    unknown: list[Assessment] = field(default_factory=list)
    better: list[Assessment] = field(default_factory=list)
    contenders: int = 0
    front: list[Assessment] = field(default_factory=list)


def find(assessments: Sequence[Assessment], metric: str) -> Answer:
    """Apply the rules to assessments in the task's order."""
    tested = [a for a in ranked(assessments, metric) if a.test is not None]
    if not tested:
        return Answer()
    # The best is the one that the others have been compared with.
    best = next(a for a in tested if a.comparison is None)
    compared = [(a, a.comparison) for a in tested if a.comparison is not None]
    equals = [a for a, found in compared if found.difference.seeds_known and not found.distinguishable]
    networks = [a for a in (best, *equals) if a.entry.is_network]
    samples = {a.name: a.sample for a in tested if a.sample}
    among = contenders(samples)
    validated = [a for a in assessments if a.test is not None and a.validation is not None]
    return Answer(
        best=best,
        cheapest=cheapest(networks, metric) if networks else None,
        test=interval_of_best(samples, best.name),
        by_validation=max(
            validated, key=lambda a: metrics.sign(metric) * (a.validation or 0.0), default=None
        ),
        equals=equals,
        unknown=[a for a, found in compared if not found.difference.seeds_known],
        better=[a for a, found in compared if found.distinguishable and is_better(found.difference, metric)],
        contenders=len(among),
        front=pareto([a for a in tested if a.entry.is_network and a.name in among], metric),
    )


def is_better(found: Difference, metric: str) -> bool:
    return metrics.sign(metric) * found.estimate > 0


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
    return sorted(
        assessments,
        key=lambda a: (
            a.test is None,
            -_goodness(a, metric) if a.test else 0.0,
            a.comparison is not None,  # of exact ties the best comes first
            a.validation is None,
            -metrics.sign(metric) * (a.validation or 0.0),
        ),
    )


def _goodness(a: Assessment, metric: str) -> float:
    assert a.test is not None
    return metrics.sign(metric) * a.test.estimate


def sentences(
    answer: Answer, assessments: Sequence[Assessment], metric: str, classes: Sequence[str]
) -> list[str]:
    """The answer in words, ready markdown: the best, what validation says, the cheapest."""
    best, title = answer.best, escape(formatting.metric_title(metric, classes))
    if best is None or answer.test is None or best.test is None:
        return [_without_tests(assessments, metric, title)]
    tested = sum(a.test is not None for a in assessments)
    if tested == 1:
        return [
            f"{_name(best)} reaches {_result(metric, best.test)} {title} on test subjects that no decision has "
            "seen; nothing else has been tested to compare it with."
        ]
    verb = "has the best result" if answer.unknown else "is the best"
    measured, corrected = (formatting.value(metric, found.estimate) for found in (best.test, answer.test))
    luck = f" ({measured} as measured)" if measured != corrected else ""
    unbeaten = _networks_tested(assessments) and not any(a.entry.is_network for a in answer.better)
    beats = ", which no network beats here" if unbeaten else ""
    kind = "" if best.entry.is_network else f"; it is a classical reference{beats}"
    correction = f", corrected for having been chosen by them out of {_many(answer.contenders)}{luck}"
    lines = [
        f"{_name(best)} {verb}: {_result(metric, answer.test)} {title} on test subjects that no training and no "
        f"search has seen{correction if answer.contenders > 1 else ''}{kind}."
    ]
    lines += [
        f"Over the {a.comparison.difference.n_subjects} of them that {_name(a)} was tested on, that one is better."
        for a in answer.better
        if a.comparison
    ]
    chosen = answer.by_validation
    if chosen is not None and chosen.test is not None:
        tied = [a for a in assessments if a.test and a.validation == chosen.validation and a is not chosen]
        level = f", level there with {', '.join(map(_name, tied))}" if tied else ""
        which = (
            f"it too{level}" if chosen is best else f"{_name(chosen)}{level}: {_result(metric, chosen.test)}"
        )
        lines.append(f"Validation alone would have chosen {which}.")
    return lines + _equals(answer, assessments, metric)


def _networks_tested(assessments: Sequence[Assessment]) -> bool:
    return any(a.test is not None and a.entry.is_network for a in assessments)


def _equals(answer: Answer, assessments: Sequence[Assessment], metric: str) -> list[str]:
    """What cannot be told from the best, and the cheapest of it."""
    best, cheap = answer.best, answer.cheapest
    assert best is not None
    lines = []
    if answer.unknown:
        many = len(answer.unknown)
        others = _name(answer.unknown[0]) if many == 1 else f"{_many(many)} others"
        known = best.sample and best.sample.seeds.known
        interval = "" if known else "the interval is of this one training, and "
        lines.append(
            f"Nothing shows how far results scatter from seed to seed, so {interval}it cannot be compared with "
            f"{others}; more seeds (`SEEDS=3`) would tell."
        )
    elif not answer.equals and not answer.better:
        worse = sum(a.test is not None for a in assessments) - 1
        lines.append(f"The data tell the other {_many(worse)} from it: each is worse.")
    networks = [a for a in answer.equals if a.entry.is_network]
    references = [a for a in answer.equals if not a.entry.is_network]
    if cheap is not None and cheap is not best:
        lines.append(
            f"{_name(cheap)} is the cheapest network that the data cannot tell from it"
            f"{_saving(cheap, best, metric)}."
        )
    elif len(networks) == 1:
        lines.append(f"The data cannot tell {_name(networks[0])} from it, which is not cheaper.")
    elif networks:
        lines.append(
            f"The data cannot tell {_many(len(networks))} other networks from it; none of them is cheaper."
        )
    if references:
        names = ", ".join(_name(a) + _saving(a, best, metric) for a in references)
        lines.append(f"Of the references, the data cannot tell from it {names}.")
    unreached = cheap is None and not (answer.unknown or answer.better)
    if unreached and _networks_tested(assessments):
        lines.append("No network reaches it.")
    return lines


def _result(metric: str, found: Interval) -> str:
    return formatting.with_limits(metric, found.estimate, found.low, found.high)


def _saving(cheap: Assessment, best: Assessment, metric: str) -> str:
    """What the cheaper one costs in the metric and saves in time and size: `: 95.5% [..], 0.2 ms against ..`."""
    parts = []
    if cheap.test is not None:
        parts.append(_result(metric, cheap.test))
    alike = cheap.entry.kind == best.entry.kind  # or they are timed otherwise
    if alike and cheap.inference_ms is not None and best.inference_ms is not None:
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
    found = a.comparison.difference
    most = -found.low if metrics.sign(metric) > 0 else found.high
    if most <= 0:
        return ""
    return f"; the data leave room for it to be up to {formatting.points(metric, most)} worse"


def front_lines(answer: Answer, metric: str) -> list[str]:
    """What each step along the front buys, a list item each; empty where there is no step."""
    lines = []
    sampled = [(a, a.sample) for a in answer.front if a.sample]
    for (faster, sample), (slower, slower_sample) in pairwise(sampled):
        gain = difference(slower_sample, sample)
        found = formatting.difference_limits(metric, gain.estimate, gain.low, gain.high)
        times = (slower.inference_ms or 0.0) / (faster.inference_ms or 1.0)
        doubt = "; the interval includes no gain at all"
        if not gain.seeds_known:
            doubt = "; with other seeds it may be none"
        elif gain.low > 0 if metrics.sign(metric) > 0 else gain.high < 0:
            doubt = ""
        lines.append(
            f"- from {_name(faster)} ({formatting.number(faster.inference_ms)} ms) to "
            f"{_name(slower)} ({formatting.number(slower.inference_ms)} ms): {found} for "
            f"{formatting.number(times, 2)} times the inference time{doubt}"
        )
    return lines


def _without_tests(assessments: Sequence[Assessment], metric: str, title: str) -> str:
    validated = [a for a in assessments if a.validation is not None]
    if not validated:
        if assessments and all(a.entry.blocked for a in assessments):
            return "There is no answer: everything that was tried has failed. The reasons stand in the table."
        return "There is no answer yet: nothing has been trained to its end."
    leading = ranked(validated, metric)[0]
    why = "yet: nothing has been tested"
    if any(a.entry.runs for a in assessments):
        why = f"in {title}, which is not defined on the test subjects of any fold"
    return (
        f"There is no answer {why}. On validation, which may overstate, {_name(leading)} leads "
        f"with {formatting.value(metric, leading.validation)} {title}."
    )


def _name(a: Assessment) -> str:
    return f"**{escape(a.entry.title)}**"


def _many(number: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[number] if number < len(words) else str(number)
