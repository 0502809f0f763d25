"""`reports/README.md`: all tasks on one page, from the JSON files that stand beside it."""

import contextlib
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import UserError
from bench.report import formatting
from bench.report.json_report import load
from bench.report.markdown import escape, table

_NOTE = (
    "*Winner*: best on test subjects, its result corrected for that choice, so that a runner-up, which is shown as "
    "measured, may seem to be as good. *Cheapest equal*: the cheapest network "
    "that the data cannot tell from the winner. *Costs*: of that one: inference at batch 1 (milliseconds a "
    "sample), parameters, seconds of one training. Rules and evidence stand in each report."
)


def overview(reports: Path) -> str:
    """Compose the page. Files that are no reports of this format are left out."""
    found = []
    for path in sorted(reports.glob("*.json")):
        with contextlib.suppress(UserError):
            found.append((path.stem, load(path)))
    header = ["Task", "Winner", "Test [95% interval]", "Runner-up", "Cheapest equal", "Costs", "Data", "Date"]
    rows = pd.DataFrame([_row(stem, report) for stem, report in found], columns=header)
    return "\n\n".join(["# Reports", table(rows, texts=header), _NOTE]) + "\n"


def _row(stem: str, report: dict[str, Any]) -> list[str]:
    rows = {row["architecture"]: row for row in report["rows"].to_dict("records")}
    answer = report["answer"]
    best, cheapest = rows.get(answer["best"]), rows.get(answer["cheapest"])
    rivals = [row for row in rows.values() if row["test"] is not None and row is not best]
    # In a sweep that is not finished one may have been tested in the easy fold alone.
    second = next((row for row in rivals if best and row["folds"] == best["folds"]), None)
    if best and answer.get("corrected"):  # not in reports of earlier versions
        best |= dict(zip(("test", "test_low", "test_high"), answer["corrected"], strict=True))
    task = f"[{escape(report['title'])}]({stem}.md)"
    data = escape(report["data"]["name"]) + (" (stand-in)" if report["data"]["stand_in"] else "")
    return [
        task if report["finished"] else f"{task}, not finished",
        f"**{escape(best['title'])}**" if best else "none yet",
        _test(report, best),
        f"{escape(second['title'])}, {_test(report, second)}" if second else formatting.NONE,
        escape(cheapest["title"]) if cheapest else formatting.NONE,
        _costs(cheapest),
        data,
        report["ended"].split(" ")[0],
    ]


def _test(report: dict[str, Any], row: dict[str, Any] | None) -> str:
    if row is None:
        return formatting.NONE
    metric = report["metric"]
    found = formatting.with_limits(metric, row["test"], row["test_low"], row["test_high"])
    return f"{found} {escape(formatting.metric_title(metric, report['data']['classes']))}"


def _costs(row: dict[str, Any] | None) -> str:
    if row is None:
        return formatting.NONE
    parts = [
        f"{formatting.number(row['inference_ms'])} ms" if row["inference_ms"] is not None else "",
        f"{formatting.count(row['parameters'])} parameters" if row["parameters"] else "",
        f"{formatting.number(row['training_seconds'])} s" if row["training_seconds"] is not None else "",
    ]
    return ", ".join(part for part in parts if part) or formatting.NONE
