"""`<task>.json`: everything that a program may want from a report, and all that `compare` needs."""

import json
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.evaluate import metrics
from bench.report import formatting
from bench.report.markdown import without_paths
from bench.report.packed_predictions import pack
from bench.report.result_rows import rounded
from bench.report.results import Content

FORMAT = 1


def document(content: Content) -> dict[str, Any]:
    """Make the JSON-ready document of a report.

    Returns
    -------
    dict with `format`, `task`, `title`, `metric`, `direction`, `data`, `identity`, `plan`, `environment`,
    `command`, `started`, `ended`, `seconds`, `finished`, `answer`, `rows` (as in the CSV), `searches` (one a fold),
    `refits` (one a fold and seed, with every metric), `inference` (by architecture and runtime),
    `ablations`, and `predictions` (see `packing`).
    """
    source = content.source
    data = {name: value for name, value in source.sweep["dataset"].items() if name != "folder"}
    data["provenance"] = without_paths(data["provenance"])
    data["details"] = {name: without_paths(text) for name, text in data.get("details", {}).items()}
    found = {
        "format": FORMAT,
        "task": source.task,
        "title": content.title,
        "metric": content.metric,
        "direction": metrics.direction(content.metric),
        "data": data,
        "identity": source.sweep["identity"],
        "plan": source.plan,
        "environment": source.sweep.get("environment", {}),
        "command": without_paths(source.sweep["command"]),
        "started": formatting.date(source.started),
        "ended": formatting.date(source.ended),
        "seconds": source.state.seconds,
        "finished": content.finished,
        "answer": _answer(content),
        "rows": content.rows,
        "searches": [_search(a.name, search) for a in content.assessments for search in a.entry.searches],
        "refits": [_refit(a.name, refit) for a in content.assessments for refit in a.entry.refits],
        "inference": {a.name: _inference(a.entry.cost) for a in content.networks if a.entry.cost},
        "ablations": [_ablation(content, a) for a in content.ablations],
    }
    runs = {a.name: a.entry.runs for a in content.tested}
    return {**rounded(found), "predictions": pack(runs, content.metric)}


def _answer(content: Content) -> dict[str, Any]:
    found = content.answer
    return {
        "best": found.best.name if found.best else None,
        "cheapest": found.cheapest.name if found.cheapest else None,
        "indistinguishable": [a.name for a in found.equals],
        "front": [a.name for a in found.front],
    }


def _search(name: str, search: Any) -> dict[str, Any]:
    chosen = search.trials.get(search.chosen) if search.chosen is not None else None
    return {
        "architecture": name,
        "fold": search.fold,
        "trials_done": search.done,
        "trials_planned": search.planned,
        "trials_failed": search.failed,
        "trial": search.chosen,
        "validation": chosen["score"] if chosen else None,
        "hyperparameters": chosen["values"] if chosen else None,
    }


def _refit(name: str, refit: Any) -> dict[str, Any]:
    return {
        "architecture": name,
        "fold": refit.fold,
        "seed": refit.seed,
        "trial": refit.trial,
        "metrics": refit.result["metrics"],
        "epochs": refit.result.get("epochs"),
        "seconds": refit.result["seconds"],
    }


def _inference(cost: dict[str, Any]) -> dict[str, Any]:
    """Times by runtime and number of threads, without the single samples."""
    return {
        runtime: {
            "status": described["status"],
            "threads": {
                threads: {name: value for name, value in timing.items() if name != "samples_ms"}
                for threads, timing in described["threads"].items()
            },
        }
        for runtime, described in cost.get("runtimes", {}).items()
    }


def _ablation(content: Content, a: Any) -> dict[str, Any]:
    difference = a.contribution
    return {
        "switch": a.name,
        "architecture": a.candidate,
        "title": a.title,
        "learning": a.learning,
        "contribution": difference.estimate if difference else None,
        "low": difference.low if difference else None,
        "high": difference.high if difference else None,
        "p_holm": a.p_holm if difference else None,
        "trainings": len(a.switched),
        "verdict": a.verdict(content.metric),
    }


def dumps(found: dict[str, Any]) -> str:
    """Write a document as text: a line for each row, so that changes show in a diff."""
    parts = []
    for name, value in found.items():
        if isinstance(value, list) and value:
            inner = ",\n  ".join(json.dumps(item, allow_nan=False, ensure_ascii=False) for item in value)
            text = f"[\n  {inner}\n ]"
        else:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        parts.append(f' "{name}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def load(path: Path) -> dict[str, Any]:
    """Read a report's JSON.

    Raises
    ------
    UserError : not there, not JSON, or not a report of this format.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot read ({error.strerror}); expected a report's JSON or a run folder"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: found no JSON ({error}); expected a report's JSON") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        version = found.get("format") if isinstance(found, dict) else None
        raise UserError(f"{path}: found format {version!r}; expected a report's JSON of format {FORMAT}")
    return found
