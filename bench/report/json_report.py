"""`<task>.json`: everything that a program may want from a report, and all that `compare` needs."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.evaluate import metrics
from bench.report import ablation, formatting
from bench.report.markdown import without_paths
from bench.report.packed_predictions import pack
from bench.report.result_rows import rounded
from bench.report.results import Content

FORMAT = 1
_FRAMES = ("rows", "searches", "refits", "ablations")
_NEEDED = ("task", "metric", "data", "identity", "plan", "environment", "predictions")
_REFIT = ["architecture", "fold", "seed", "trial", "metrics", "epochs", "seconds"]


def document(content: Content) -> dict[str, Any]:
    """Make the JSON-ready document of a report.

    Returns a dict with `format`, `task`, `title`, `metric`, `direction`, `data`, `identity`, `code` (a digest by
    architecture), `plan`, `environment`, `command`, `started`, `ended`, `seconds`, `finished`, `answer`,
    `inference` (by architecture and runtime), `predictions` (see `packed_predictions`), and the frames `rows` (as
    in the CSV), `searches` (one a fold), `refits` (one a fold and seed, with every metric) and `ablations`.
    """
    source = content.source
    data = {name: value for name, value in source.sweep["dataset"].items() if name != "folder"}
    data["provenance"] = without_paths(data["provenance"])
    data["details"] = {name: without_paths(text) for name, text in data.get("details", {}).items()}
    plan = {**source.plan, "task": without_paths(source.plan.get("task", source.task))}
    plan["candidates"] = [
        {**each, "architecture": without_paths(each["architecture"])} for each in plan["candidates"]
    ]
    found = {
        "format": FORMAT,
        "task": source.task,
        "title": content.title,
        "metric": content.metric,
        "direction": metrics.direction(content.metric),
        "data": data,
        "identity": source.sweep["identity"],
        "code": source.state.candidates,
        "plan": plan,
        "environment": source.sweep.get("environment", {}),
        "command": without_paths(source.sweep["command"]),
        "started": formatting.date(source.started),
        "ended": formatting.date(source.ended),
        "seconds": source.state.seconds,
        "finished": content.finished,
        "answer": _answer(content),
        "rows": content.rows,
        "searches": content.searches,
        "refits": content.trainings.query("stage == 'refit'")[_REFIT],
        "inference": {a.name: _inference(a.entry.cost) for a in content.networks if a.entry.cost},
        "ablations": ablation.frame(content.ablations, content.metric),
    }
    runs = {a.name: a.entry.runs for a in content.tested}
    return {**rounded(found), "predictions": pack(runs, content.metric)}


def _answer(content: Content) -> dict[str, Any]:
    found = content.answer
    return {
        "best": found.best.name if found.best else None,
        "corrected": [found.test.estimate, found.test.low, found.test.high] if found.test else None,
        "by_validation": found.by_validation.name if found.by_validation else None,
        "cheapest": found.cheapest.name if found.cheapest else None,
        "indistinguishable": [a.name for a in found.equals],
        "unknown": [a.name for a in found.unknown],
        "front": [a.name for a in found.front],
    }


def _inference(cost: dict[str, Any]) -> dict[str, Any]:
    """Times by runtime and number of threads."""
    found = cost.get("runtimes", {})
    return {name: {part: each[part] for part in ("status", "threads")} for name, each in found.items()}


def dumps(found: dict[str, Any]) -> str:
    """Write a document as text: a line for each row, so that changes show in a diff."""
    parts = []
    for name, value in found.items():
        if isinstance(value, pd.DataFrame):
            rows = value.to_json(orient="records", lines=True, double_precision=15, force_ascii=False)
            text = "[\n  " + rows.rstrip("\n").replace("\n", ",\n  ") + "\n ]" if len(value) else "[]"
        else:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        parts.append(f' "{name}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def load(path: Path) -> dict[str, Any]:
    """Read a report's JSON, as `document` made it.

    Raises UserError: not there, not JSON, or not a report of this format.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot read ({error.strerror}); expected a report's JSON or a run folder"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: found no JSON ({error}); expected a report's JSON") from error
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT:
        raise UserError(f"{path}: found format {version!r}; expected a report's JSON of format {FORMAT}")
    if missing := {*_NEEDED, *_FRAMES} - set(found):
        raise UserError(f"{path}: found no {min(missing)}; expected a report's JSON, whole")
    return {**found, **{name: pd.DataFrame(found.get(name), dtype=object) for name in _FRAMES}}
