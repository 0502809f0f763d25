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

    Returns
    -------
    The markdown's path.

    Raises
    ------
    UserError : no sweep has been recorded in `folder`.
    OSError : `reports` cannot be written.
    """
    from bench.report import content, document, figures, files, overview, page, rows

    found = content.build(folder)
    task = found.source.task
    pictures = figures.draw(found, reports / task)
    files.write(reports / f"{task}.csv", rows.as_csv(found.rows))
    files.write(reports / f"{task}.json", document.dumps(document.document(found)))
    path = reports / f"{task}.md"
    files.write(path, page.markdown(found, {name: f"{task}/{file}" for name, file in pictures.items()}))
    files.write(reports / "README.md", overview.overview(reports))
    return path
