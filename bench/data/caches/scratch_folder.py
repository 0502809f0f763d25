"""Hidden folders to write in, removed with all they hold, also after a process that was killed.

A workplace `.NAME.RANDOM.writing` holds a file `lock` that its owner keeps locked for as long as it lives. The
system frees the lock of a process that is gone, so a workplace whose lock is free is nobody's.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_SUFFIX = ".writing"


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Make a hidden folder beside `folder`, on the same file system; remove it at the end."""
    with exclusive(folder.parent):  # nobody must look between the making of a workplace and its locking
        made = tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=_SUFFIX, dir=folder.parent)
        lock = FileLock(Path(made) / "lock").acquire()
    try:
        with lock:
            yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the workplaces in `folder` whose owners are gone; those of others that still write stay."""
    found = [path for path in folder.glob(f".*{_SUFFIX}") if path.is_dir()]
    if not found:
        return
    with contextlib.suppress(OSError), exclusive(folder):  # a folder without write permission stays as it is
        for path in found:
            if _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(path: Path) -> bool:
    try:
        with FileLock(path / "lock", blocking=False):
            return True
    except (Timeout, OSError):
        return False


def exclusive(folder: Path) -> FileLock:
    """Let one process (or thread) at a time make, look for or swap something in `folder`: an instant.

    The death of the holder frees it.
    """
    return FileLock(folder / f"{_SUFFIX}.lock")
