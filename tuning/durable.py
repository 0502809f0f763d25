"""Files and folders that are still there after a loss of power."""

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file's content, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no syncing of folders
            raise
    finally:
        os.close(descriptor)


def replace(finished: Path, path: Path) -> None:
    """Rename a finished file or folder into place; when this returns, both content and name are on the disk."""
    sync(finished)
    os.replace(finished, path)
    sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless they are there."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: readers see the old or the new one; what a loss of power leaves is open.

    Its folder must be there: one that a user has moved away, or that is not mounted, is not made again.
    """
    temporary = path.with_name(f".{path.name[:70]}.{uuid.uuid4().hex}.tmp")  # of 255 bytes at most
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
