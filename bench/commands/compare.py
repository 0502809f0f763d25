"""`make compare`: what is better, worse or unchanged between two sweeps, tested, and what differed between them.

The primary metric decides, tested over subjects (paired where both sides tested the same ones) and corrected
for the number of architectures. Inference time counts as changed only where it must be the network and not
the machine's mood: on the same processor, as fast in a matrix product, every round of the one slower than every
round of the other, and the medians at least half again apart. All other costs are listed.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.evaluate import metrics
from bench.evaluate.bootstrap import resample_all
from bench.evaluate.comparisons import SIGNIFICANCE, Difference, difference, holm
from bench.evaluate.predictions import Run
from bench.report import formatting, results
from bench.report.json_report import document, load
from bench.report.packed_predictions import unpack
from bench.sweep.identity import differences

WORSE, BETTER, UNCHANGED, UNKNOWN = "worse", "better", "unchanged", "unknown"
SLOWER = 1.5
_SAME_SPEED = 1.25  # the faster machine over the other: processors of one name are shared and throttled
_LEAST_ROUNDS = 5  # of five and five, all of one side slower by chance alone: 2 in 252


@dataclass(frozen=True)
class Side:
    """One of the two: a report's document with its predictions unpacked."""

    report: dict[str, Any]
    runs: dict[str, list[Run]]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows of the report, by architecture."""
        return self.report["rows"].set_index("architecture")


@dataclass(frozen=True)
class Change:
    """How an architecture changed from a to b: the difference is of b less a."""

    name: str
    verdict: str
    difference: Difference
    p_holm: float


def compare(a: Path, b: Path) -> tuple[str, bool]:
    """Compare two run folders or report JSONs.

    `a`, `b`: before and after; a run folder, or a report's `<task>.json`.

    Returns what is better, worse or unchanged, what it costs, and what differed, as text, and whether something got
    significantly worse: a metric, an inference time, or a result that a has and that failed in b.

    Raises UserError: a side that cannot be read, or two that answer different questions.
    """
    before, after = _read(a), _read(b)
    for name, (first, second) in {
        "task": (before.report["task"], after.report["task"]),
        "metric": (before.report["metric"], after.report["metric"]),
        "classes": (before.report["data"]["classes"], after.report["data"]["classes"]),
    }.items():
        if first != second:
            raise UserError(f"A={a}, B={b}: found {name} {first!r} and {second!r}; expected the same in both")
    found = _changes(before, after)
    lost = [name for name in before.runs if after.rows.status.get(name) == "failed"]
    times = {name: verdict for name in before.rows.index if (verdict := time_verdict(name, before, after))}
    lines = [
        f"A: {_describe(before)}",
        f"B: {_describe(after)}",
        *_differences(before, after),
        *_metric_lines(before, after, found),
        *_missing_lines(before, after, lost),
        *_cost_lines(before, after, times),
        *_summary(found, lost, times),
    ]
    worse = any(change.verdict == WORSE for change in found) or bool(lost) or "slower" in times.values()
    return "\n".join(lines), worse


def _changes(before: Side, after: Side) -> list[Change]:
    """Test every architecture that both sides have tested; p values are corrected for their number.

    How far seeds scatter is learned from all rows of both sides; references have none. Where no row has two seeds,
    a change is unknown.
    """
    names, metric = [name for name in before.runs if name in after.runs], before.report["metric"]
    both = (("A", before), ("B", after))
    references = {name for _, side in both for name in side.rows.query("kind == 'reference'").index}
    runs = {f"{label} {name}": side.runs[name] for label, side in both for name in side.runs}
    samples = resample_all(runs, metric, {f"{label} {name}" for label, _ in both for name in references})
    differences = [difference(samples[f"B {name}"], samples[f"A {name}"]) for name in names]
    corrected = holm([d.p if d.seeds_known else 1.0 for d in differences])
    found = []
    for name, each, p in zip(names, differences, corrected, strict=True):
        verdict = UNCHANGED if each.seeds_known else UNKNOWN
        if p < SIGNIFICANCE and math.isfinite(each.estimate):
            verdict = BETTER if metrics.sign(metric) * each.estimate > 0 else WORSE
        found.append(Change(name, verdict, each, p))
    return found


def time_verdict(name: str, before: Side, after: Side) -> str | None:
    """Say whether a network's inference at batch 1, in Keras, is "slower" or "faster" beyond the machine's mood."""
    machines = [side.report["environment"].get("processor") for side in (before, after)]
    measured = [side.report["inference"].get(name, {}).get("keras", {}) for side in (before, after)]
    timings = [found.get("threads", {}).get("1", {}) for found in measured]
    rounds = [timing.get("round_medians_ms", []) for timing in timings]
    speeds = [timing["reference_gflops"] for timing in timings if "reference_gflops" in timing]
    same = machines[0] == machines[1] and (len(speeds) < 2 or max(speeds) <= _SAME_SPEED * min(speeds))
    if not same or min(map(len, rounds)) < _LEAST_ROUNDS:
        return None
    ratio = median(rounds[1]) / median(rounds[0])
    if ratio >= SLOWER and min(rounds[1]) > max(rounds[0]):
        return "slower"
    if ratio <= 1 / SLOWER and max(rounds[1]) < min(rounds[0]):
        return "faster"
    return None


def _read(path: Path) -> Side:
    report = document(results.build(path)) if path.is_dir() else load(path)
    try:
        return Side(report, unpack(report["predictions"], len(report["data"]["classes"])))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise UserError(f"{path}: found damaged predictions ({error}); expected a report's JSON") from error


def _describe(side: Side) -> str:
    report = side.report
    state = "" if report["finished"] else ", not finished"
    return f"{report['task']} on {report['data']['name']}, {report['ended']}{state}: {report['command']}"


def _differences(before: Side, after: Side) -> list[str]:
    code = [side.report.get("code", {}) for side in (before, after)]  # not in reports of before
    both = sorted(code[0].keys() & code[1].keys())
    sides = [
        {
            **side.report["identity"],
            "architectures": {name: own[name] for name in both},
            "plan": {k: v for k, v in side.report["plan"].items() if k not in ("task", "candidates")},
            "environment": side.report["environment"],
        }
        for side, own in zip((before, after), code, strict=True)
    ]
    found = differences(sides[0], sides[1])
    if not found:
        return ["", "Settings, data, versions: the same."]
    return ["", "What differed:", *(f"  {line}" for line in found)]


def _metric_lines(before: Side, after: Side, found: list[Change]) -> list[str]:
    metric = before.report["metric"]
    title = formatting.headline(metric, before.report["data"]["classes"])
    if not found:
        return ["", f"{title}: nothing was tested in both."]
    paired = all(change.difference.paired for change in found)
    prints = {side.report["data"].get("fingerprint") for side in (before, after)}
    same = (
        "the same subjects" if len(prints) == 1 else "subjects of the same names; data differ: perhaps others"
    )
    how = f"paired over {same}" if paired else "subjects differ: not paired where it says so"
    width = max(len(_title(after, change.name)) for change in found)
    lines = ["", f"{title} on test, B less A ({how}; p corrected for {len(found)} comparisons):"]
    for change in found:
        d = change.difference
        values = [formatting.value(metric, estimate) for estimate in d.estimates[::-1]]
        lines.append(
            f"  {change.verdict:<9}  {_title(after, change.name):<{width}}  {values[0]} -> {values[1]}  "
            f"{formatting.difference_limits(metric, d.estimate, d.low, d.high)}, "
            f"{formatting.p_value(change.p_holm) if d.seeds_known else 'seeds unknown'}, "
            f"{d.n_subjects} subjects{'' if d.paired else ', not paired'}"
        )
    return lines


def _missing_lines(before: Side, after: Side, lost: list[str]) -> list[str]:
    lines = [
        f"  failed in B: {_title(after, name)}: {after.rows.reason[name] or 'no reason given'}"
        for name in lost
    ]
    for here, there, label in ((before, after, "A"), (after, before, "B")):
        only = [name for name in here.runs if name not in there.runs and name not in lost]
        lines += [f"  tested in {label} only: {_title(here, name)}" for name in only]
    return ["", *lines] if lines else []


def _cost_lines(before: Side, after: Side, times: dict[str, str]) -> list[str]:
    lines = []
    for name in before.rows.index[before.rows.index.isin(after.rows.index)]:
        old, new = before.rows.loc[name], after.rows.loc[name]
        parts = []
        for column, title, write in _COSTS:
            if old[column] is None or new[column] is None or old[column] == new[column]:
                continue
            ratio = f" (x{formatting.number(new[column] / old[column])})" if old[column] else ""
            mark = f", {times[name]}" if column == "inference_ms" and name in times else ""
            parts.append(f"{title} {write(old[column])} -> {write(new[column])}{ratio}{mark}")
        if parts:
            lines.append(f"  {_title(after, name)}: {'; '.join(parts)}")
    return ["", "Costs that changed:", *lines] if lines else []


_COSTS = (
    ("parameters", "parameters", formatting.whole),
    ("macs", "MACs", formatting.count),
    ("inference_ms", "inference ms", formatting.number),
    ("training_seconds", "training s", formatting.number),
    ("bytes_on_disk", "size", formatting.size),
    ("peak_memory_bytes", "peak memory", formatting.size),
)


def _summary(found: list[Change], lost: list[str], times: dict[str, str]) -> list[str]:
    counts = {
        verdict: sum(c.verdict == verdict for c in found) for verdict in (BETTER, WORSE, UNCHANGED, UNKNOWN)
    }
    parts = [f"{count} {verdict}" for verdict, count in counts.items() if count or verdict != UNKNOWN]
    for verdict in ("slower", "faster"):
        if number := sum(value == verdict for value in times.values()):
            parts.append(f"{number} {verdict}")
    if lost:
        parts.append(f"{len(lost)} failed")
    note = "Unchanged: no difference that these subjects can show, not proof that there is none."
    if counts[UNKNOWN]:
        note += " Unknown: with one seed of everything, nothing shows how far seeds scatter."
    return ["", f"{', '.join(parts)}. {note}"]


def _title(side: Side, name: str) -> str:
    return side.rows.title[name]
