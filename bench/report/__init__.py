"""From journal to markdown and figures. Imports no TensorFlow."""

from pathlib import Path


def write(folder: Path, reports: Path) -> Path:
    """Write the report of a run folder: `<task>.md`, `.csv`, `.json`, `<task>/*.png`, and `README.md`.

    The same journal gives the same bytes. Each file is written whole or not at all; the markdown comes
    after what it shows.

    Parameters
    ----------
    folder : the run folder; a sweep may be going on there.
    reports : where tables go; made if it is not there.

    Returns the markdown's path.

    Raises UserError: no sweep has been recorded in `folder`; OSError: `reports` cannot be written.
    """
    import pandas as pd

    from bench.report import figures, json_report, markdown_report, overview, published, result_rows, results
    from tuning import durable

    found = results.build(folder)
    task = found.source.task
    reports.mkdir(parents=True, exist_ok=True)
    rows = pd.concat([found.rows, published.rows(found)])
    durable.write(reports / f"{task}.csv", result_rows.rounded(rows).to_csv(index=False))
    durable.write(reports / f"{task}.json", json_report.dumps(json_report.document(found)))
    pictures = figures.draw(found, reports / task)
    path = reports / f"{task}.md"
    durable.write(
        path, markdown_report.markdown(found, {name: f"{task}/{file}" for name, file in pictures.items()})
    )
    durable.write(reports / "README.md", overview.overview(reports))
    return path
