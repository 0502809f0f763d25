"""Bringing a task's data into the cache, with one line for what goes wrong."""

from pathlib import Path
from typing import Any

from bench.data.formats.listing import unreadable_line
from bench.errors import UserError
from bench.tasks import Task
from bench.tasks.contract.plug_ins import fault


def load_dataset(
    task: Task, data: str | None, data_folder: Path, runs: Path, preprocessing: dict[str, Any] | None = None
) -> Path:
    """Bring a task's dataset into the cache; returns its folder."""
    try:
        found = task.load(data, data_folder / task.name, runs / "cache", preprocessing)
        if not isinstance(found, Path):
            raise TypeError(f"`load` returned {type(found).__name__}, not the dataset's folder")
        if not found.resolve().is_relative_to(runs.resolve()) or not (found / "meta.json").is_file():
            raise ValueError(
                f"`load` returned {found}, no dataset in {runs / 'cache'} (bench.tasks.store makes one)"
            )
        return found
    except OSError as error:
        source = data_folder / task.name if data is None else Path(data)
        if _lies_in(error.filename, source) and not _lies_in(error.filename, runs):
            raise UserError(unreadable_line(error, source)) from error
        if task.file is not None and not _lies_in(error.filename, runs):
            raise UserError(fault("TASK", str(task.file), error)) from error
        raise UserError(
            f"{error.filename or runs}: {error.strerror or error}; expected a writable folder with free space"
        ) from error
    except Exception as error:
        if task.file is None or isinstance(error, UserError):
            raise
        raise UserError(fault("TASK", str(task.file), error)) from error


def _lies_in(name: str | None, folder: Path) -> bool:
    return name is not None and Path(name).absolute().is_relative_to(folder.absolute())
