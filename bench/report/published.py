"""What others have published of the same data and split, beside what was tested here."""

import pandas as pd

from bench.report import formatting
from bench.report.markdown import escape
from bench.report.results import Content
from bench.report.sections_evidence import scores


def rows(content: Content) -> pd.DataFrame:
    """Rows of `<task>.csv` for what `Task.published` named; their kind and status are "published"."""
    found = content.source.sweep["dataset"].get("published", [])
    return pd.DataFrame(
        [
            {
                "task": content.source.task,
                "architecture": row["title"],
                "kind": "published",
                "metric": content.metric,
                "test": row.get(content.metric),
                "accuracy": row.get("accuracy"),
                "status": "published",
                "title": row["title"],
            }
            for row in found
        ],
        columns=content.rows.columns,
        dtype=object,
    )


def blocks(content: Content) -> list[str]:
    """The section "Published results", nothing where there are none."""
    found = content.source.sweep["dataset"].get("published", [])
    if not found:
        return []
    titles = {
        name: formatting.metric_title(name, content.source.classes) for name in found[0] if name != "title"
    }
    everyone = [(f"**{escape(a.entry.title)}** (here)", a.metrics) for a in content.tested]
    everyone += [(f"{escape(row['title'])} (published)", row) for row in found]
    return [
        "### Published results",
        "On the same test samples; the published ones are as they stand in print, without intervals:",
        scores("Method", titles, everyone),
    ]
