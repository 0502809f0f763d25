"""The rows of the table, of `<task>.csv` and of `<task>.json`, and how far each row's work has come."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.evaluate import metrics
from bench.evaluate.comparisons import Difference
from bench.evaluate.intervals import Interval
from bench.report.markdown import without_paths
from bench.report.run_results import Entry, Source
from bench.report.statistics import Assessment

_COSTS = ("bytes_on_disk", "throughput_32", "peak_memory_bytes", "energy_1000_inferences_joules")


def status(entry: Entry) -> str:
    """One of `done`, `unfinished`, `failed` (no result, and none to come), `not started`."""
    if entry.blocked and entry.refits.empty:
        return "failed"
    expected = (entry.folds_planned - _failed_folds(entry)) * entry.seeds_planned
    searches, tested = entry.searches, len(entry.tested)
    searched = not entry.is_network or (searches.trials_done >= searches.trials_planned).all()
    if searched and _current(entry) and tested + entry.refits_failed >= expected:
        return "done" if tested else "failed"
    return "not started" if entry.trainings.empty else "unfinished"


def _current(entry: Entry) -> bool:
    """Whether the trials that are reported are the best there are."""
    return entry.searches.trial.equals(entry.searches.best)


def _failed_folds(entry: Entry) -> int:
    """Folds in which a network has no trial to test, and will have none."""
    searches = entry.searches
    ended = searches.best.isna() & (searches.trials_done >= searches.trials_planned)
    return int(ended.sum()) if entry.is_network else 0


def progress(entry: Entry) -> list[str]:
    """What is not finished or cannot be, in a few words each: `12 of 20 trials`, `3 of 5 seeds`."""
    found = []
    if not entry.in_plan:
        found.append("not in the latest command")
    state = status(entry)
    if state in ("failed", "not started"):
        return [state, *found]
    done, planned = entry.searches[["trials_done", "trials_planned"]].sum()
    if entry.is_network and done < planned:
        found.append(f"{done} of {planned} trials")
    if not _current(entry):
        found.append("a better trial awaits its refits")
    folds, seeds, failed = _folds(entry), _seeds(entry), _failed_folds(entry)
    if failed:
        found.append(f"all trials failed in {failed} of {entry.folds_planned} folds")
    if folds < entry.folds_planned - failed:
        found.append(f"{folds} of {entry.folds_planned} folds tested")
    elif seeds < entry.seeds_planned:
        found.append(f"{seeds} of {entry.seeds_planned} seeds")
    return found


def _folds(entry: Entry) -> int:
    return entry.tested.fold.nunique()


def _seeds(entry: Entry) -> int:
    """Seeds in the fold that has the fewest of them."""
    return 0 if entry.tested.empty else int(entry.tested.fold.value_counts().min())


def summary(source: Source, assessments: Sequence[Assessment]) -> pd.DataFrame:
    """Make the frame of the table: a row for each of `assessments`, the columns that are promised, then more.

    Unknown numbers are None: in columns of objects, integers with gaps stay integers.
    """
    return pd.DataFrame([_row(source, a) for a in assessments], dtype=object)


def _row(source: Source, assessment: Assessment) -> dict[str, Any]:
    # Other programs rely on the first 19 names and on their order.
    entry, comparison, sample = assessment.entry, assessment.comparison, assessment.sample
    difference = comparison.difference if comparison else None
    validation, test, sign = assessment.validation, assessment.test, metrics.sign(source.metric)
    return {
        "task": source.task,
        "architecture": entry.name,
        "kind": entry.kind,
        "metric": source.metric,
        "validation": validation,
        **interval(test, "test", "test_low", "test_high"),
        "accuracy": assessment.metrics.get("accuracy"),
        "parameters": assessment.parameters,
        "macs": entry.cost.get("macs"),
        "inference_ms": assessment.inference_ms,
        "inference_p95_ms": entry.inference.get("inference_p95_ms"),
        "training_seconds": entry.timing.get("training_seconds"),
        "trials_done": int(entry.searches.trials_done.sum()),
        "trials_planned": int(entry.searches.trials_planned.sum()),
        "seeds": _seeds(entry),
        "folds": _folds(entry),
        "status": status(entry),
        "title": entry.title,
        "progress": "; ".join(progress(entry)),
        "reason": without_paths(entry.blocked) if entry.blocked else None,
        "trials_failed": int(entry.searches.trials_failed.sum()),
        "seeds_planned": entry.seeds_planned,
        "folds_planned": entry.folds_planned,
        "optimism": sign * (validation - test.estimate) if validation is not None and test else None,
        "seed_spread": sample.estimates.std(ddof=1) if sample and len(sample.estimates) > 1 else None,
        **interval(assessment.ensemble, "ensemble", "ensemble_low", "ensemble_high"),
        **interval(difference, "difference_from_best", "difference_low", "difference_high"),
        "p_holm": comparison.p_holm if comparison else None,
        "effect_size": difference.effect_size if difference else None,
        **{name: entry.cost.get(name) for name in _COSTS},
        # That workers were busy with an entry's trials; with a reference, its test included.
        "search_seconds": (entry.trials if entry.is_network else entry.refits).seconds.sum() or None,
    }


def interval(found: Interval | Difference | None, *names: str) -> dict[str, float | None]:
    """Estimate, lower and upper end, under three names."""
    return {
        name: getattr(found, end, None) for name, end in zip(names, ("estimate", "low", "high"), strict=True)
    }


def rounded(value: Any) -> Any:
    """Round floats in frames and nested values to seven digits; what is not finite becomes None.

    There are 15 decimals at most, which is what pandas writes into JSON, so that it agrees with the CSV.
    """
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    if isinstance(value, pd.DataFrame):
        # Of objects, so that integers with gaps stay integers.
        return pd.DataFrame({name: [rounded(cell) for cell in value[name]] for name in value}, dtype=object)
    if isinstance(value, float):
        return round(float(f"{value:.7g}"), 15) if math.isfinite(value) else None
    return None if value is pd.NA else value
