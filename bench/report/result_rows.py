"""The rows of `<task>.csv` and `<task>.json`, and how far each row's work has come."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from bench.report.markdown import without_paths
from bench.report.run_results import Entry, Source
from bench.report.statistics import Assessment

# Other programs rely on these names and on their order.
COLUMNS = (
    "task",
    "architecture",
    "kind",
    "metric",
    "validation",
    "test",
    "test_low",
    "test_high",
    "accuracy",
    "parameters",
    "macs",
    "inference_ms",
    "inference_p95_ms",
    "training_seconds",
    "trials_done",
    "trials_planned",
    "seeds",
    "folds",
    "status",
)


def status(entry: Entry) -> str:
    """One of `done`, `unfinished`, `failed` (no result, and none to come), `not started`."""
    if entry.blocked and not entry.refits:
        return "failed"
    expected = entry.folds_planned * entry.seeds_planned
    searched = entry.is_network is False or all(search.done >= search.planned for search in entry.searches)
    current = all(search.chosen == search.best for search in entry.searches)
    if searched and current and len(entry.refits) + entry.refits_failed >= expected:
        return "done" if entry.refits else "failed"
    started = entry.refits or any(search.trials for search in entry.searches)
    return "unfinished" if started else "not started"


def trials(entry: Entry) -> tuple[int, int]:
    """Trials done and planned, over all folds."""
    return sum(s.done for s in entry.searches), sum(s.planned for s in entry.searches)


def progress(entry: Entry) -> list[str]:
    """What is not finished, in a few words each: `12 of 20 trials`, `3 of 5 seeds`."""
    found = []
    if not entry.in_plan:
        found.append("not in the latest command")
    state = status(entry)
    if state in ("failed", "not started"):
        return [state, *found]
    done, planned = trials(entry)
    if entry.is_network and done < planned:
        found.append(f"{done} of {planned} trials")
    if any(search.chosen != search.best for search in entry.searches):
        found.append("a better trial awaits its refits")
    folds, seeds = _folds(entry), _seeds(entry)
    if folds < entry.folds_planned:
        found.append(f"{folds} of {entry.folds_planned} folds tested")
    elif seeds < entry.seeds_planned:
        found.append(f"{seeds} of {entry.seeds_planned} seeds")
    return found


def _folds(entry: Entry) -> int:
    return len({refit.fold for refit in entry.refits})


def _seeds(entry: Entry) -> int:
    """Seeds in the fold that has the fewest of them."""
    counts = [sum(refit.fold == fold for refit in entry.refits) for fold in {r.fold for r in entry.refits}]
    return min(counts, default=0)


def row(source: Source, assessment: Assessment) -> dict[str, Any]:
    """One row: the columns that are promised, then more. Unknown numbers are None."""
    entry, test = assessment.entry, assessment.test
    done, planned = trials(entry)
    ensemble, comparison = assessment.ensemble, assessment.comparison
    difference = comparison.difference if comparison else None
    found = {
        "task": source.task,
        "architecture": entry.name,
        "kind": entry.kind,
        "metric": source.metric,
        "validation": assessment.validation,
        "test": test.estimate if test else None,
        "test_low": test.low if test else None,
        "test_high": test.high if test else None,
        "accuracy": assessment.metrics.get("accuracy"),
        "parameters": assessment.parameters,
        "macs": assessment.macs,
        "inference_ms": assessment.inference_ms,
        "inference_p95_ms": assessment.inference_p95_ms,
        "training_seconds": assessment.training_seconds,
        "trials_done": done,
        "trials_planned": planned,
        "seeds": _seeds(entry),
        "folds": _folds(entry),
        "status": status(entry),
        "title": entry.title,
        "progress": "; ".join(progress(entry)),
        "reason": without_paths(entry.blocked) if entry.blocked else None,
        "trials_failed": sum(search.failed for search in entry.searches),
        "seeds_planned": entry.seeds_planned,
        "folds_planned": entry.folds_planned,
        "optimism": assessment.optimism,
        "seed_spread": assessment.seed_spread,
        "ensemble": ensemble.estimate if ensemble else None,
        "ensemble_low": ensemble.low if ensemble else None,
        "ensemble_high": ensemble.high if ensemble else None,
        "difference_from_best": difference.estimate if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "p_holm": comparison.p_holm if comparison else None,
        "effect_size": difference.effect_size if difference else None,
        "bytes_on_disk": entry.cost.get("bytes_on_disk"),
        "throughput_32": entry.cost.get("throughput_32"),
        "peak_memory_bytes": entry.cost.get("peak_memory_bytes"),
        "energy_1000_inferences_joules": entry.cost.get("energy_1000_inferences_joules"),
        "search_seconds": search_seconds(entry),
    }
    return {name: rounded(value) for name, value in found.items()}


def search_seconds(entry: Entry) -> float | None:
    """Wall-clock seconds of all trials of an entry's searches, as the workers spent them."""
    if not entry.is_network:
        return sum(refit.result["seconds"] for refit in entry.refits) or None
    return sum(t["seconds"] for s in entry.searches for t in s.trials.values() if t) or None


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as CSV; None is an empty cell."""
    buffer = io.StringIO()
    names = list(rows[0]) if rows else list(COLUMNS)
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def rounded(value: Any) -> Any:
    """Round floats in nested values to seven significant digits; what is not finite becomes None."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
