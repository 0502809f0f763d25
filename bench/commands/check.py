"""`make check`: verify the user's data, and look for what would make results untrue."""

from pathlib import Path

from bench.commands.run_sweep import load_dataset
from bench.data.caches.cached_dataset import open_cached
from bench.data.checks.dataset_check import check_dataset
from bench.data.folders.folder import check_folder
from bench.tasks import Task


def check(task: Task, data: str | None, data_folder: Path, runs: Path) -> tuple[str, bool]:
    """Check a dataset.

    Returns
    -------
    text : what was found, some lines.
    sound : whether it can be read at all; what only makes results doubtful is in the text alone.
    """
    lines: list[str] = []
    if data and Path(data).is_dir() and task.reads_folders:
        report = check_folder(Path(data))
        lines = [*report.problems, *report.warnings] or [f"{data}: {len(report.items)} items, all readable"]
        if report.problems:
            return "\n".join(lines), False
    folder = load_dataset(task, data, data_folder, runs)
    return "\n".join([*lines, *check_dataset(open_cached(folder)).lines()]), True
