"""`make check`: verify the user's data, and look for what would make results untrue."""

from pathlib import Path

from bench.commands.load_dataset import load_dataset
from bench.data.caches.cached_dataset import open_cached
from bench.data.checks import scan_survey
from bench.data.checks.dataset_check import check_dataset
from bench.data.checks.shortcuts import backgrounds, shortcuts
from bench.data.dataset import Dataset
from bench.data.folders.folder import check_folder, unlisted
from bench.data.splits import divide
from bench.errors import UserError, printable
from bench.report import figure_style
from bench.report.figure_images import rows_of_classes
from bench.report.sample_images import MOST_CLASSES, Images
from bench.tasks import Task


def check(task: Task, data: str | None, data_folder: Path, runs: Path) -> tuple[str, bool]:
    """Check a dataset: all that can be found at once, before anything is trained.

    Of a folder every scan is read whole. Pictures of each class go to `check/TASK.png` in `runs`.

    Returns what was found, some lines and then one for each problem and each warning, and whether it can be used at
    all; what only makes results doubtful is in the text alone.
    """
    lines: list[str] = []
    problems: list[str] = []
    warnings: list[str] = []
    dataset: Dataset | None = None
    folder = Path(data or "")
    if data and folder.is_dir() and task.reads_folders:
        dataset = _check_scans(folder, lines, problems, warnings)
    if not problems:
        try:
            loaded = open_cached(load_dataset(task, data, data_folder, runs))
            if dataset is None:
                warnings += shortcuts(loaded, {"background": backgrounds(loaded.x)})
            dataset = loaded
            _check_division(loaded, problems, warnings)
        except UserError as error:
            problems.append(str(error))
    if dataset is not None:
        held, doubts = check_dataset(dataset)
        lines = lines or held
        warnings += doubts
        lines += _draw(dataset, task, runs / "check" / f"{task.name}.png")
    lines += [f"problem: {line}" for line in dict.fromkeys(problems)]
    lines += [f"warning: {line}" for line in dict.fromkeys(warnings)]
    return "\n".join(map(printable, lines)), not problems


def _check_scans(folder: Path, lines: list[str], problems: list[str], warnings: list[str]) -> Dataset | None:
    """Read a folder; return what can be shown of it."""
    report = check_folder(folder)
    problems += report.problems
    warnings += [*report.warnings, *unlisted(folder, report)]
    if not report.items:
        return None
    scans, faults = scan_survey.survey(report.items)
    problems += faults
    warnings += scan_survey.doubts(scans)
    first, *others = scan_survey.lines(report.items, scans)
    lines += [f"{folder}: {first}", *others]
    small = scan_survey.thumbnails(scans)
    if small is None:
        return None
    dataset, facts = small
    warnings += shortcuts(dataset, facts)
    _check_division(dataset, problems, warnings)
    return dataset


def _check_division(dataset: Dataset, problems: list[str], warnings: list[str]) -> None:
    """Whether folds can be made, at random or else by site."""
    try:
        divide(dataset, 1, {"seed": 0})
    except UserError as error:
        try:
            divide(dataset, 1, {"seed": 0, "by": "site"})
        except UserError:
            problems.append(str(error))
        else:
            warnings.append(f"{error}; FOLDS=sites can be had")


def _draw(dataset: Dataset, task: Task, path: Path) -> list[str]:
    """Draw some samples of each class; say where."""
    with figure_style.settings():
        figure = rows_of_classes(Images(dataset, task.reference, task.preprocessing), dataset.classes)
        if figure is None:
            return []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150)
        except OSError as error:
            raise UserError(
                f"{error.filename or path}: {error.strerror}; expected a writable folder"
            ) from error
    n = len(dataset.classes)
    return [
        f"  pictures: {path}" + (f" (the first {MOST_CLASSES} of {n} classes)" if n > MOST_CLASSES else "")
    ]
