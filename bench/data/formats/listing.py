"""What lies in a user's folder: what is passed over, and links whose files are not there."""

import errno
import os
from pathlib import Path

# what commonly lies beside images: not images, and no mistake
_SIDECARS = (".json", ".txt", ".md", ".csv", ".tsv", ".pdf", ".xml", ".bval", ".bvec", ".xlsx", ".toml")
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "dicomdir", "__macosx")
_UNREADABLE = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EIO, errno.ESTALE)
_SHOWN = 3


def visible(folder: Path) -> list[Path]:
    """List a folder by name, without hidden files and those of operating systems.

    Raises
    ------
    OSError : it may not be read.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name.lower() not in _SYSTEM_FILES
    )


def is_sidecar(path: Path) -> bool:
    """Tell what commonly lies beside images from what should be one."""
    return path.suffix.lower() in _SIDECARS


def is_broken_link(path: Path) -> bool:
    """Tell a link that leads nowhere, such as DataLad and git-annex leave until a file is fetched."""
    return path.is_symlink() and not path.exists()


def broken_links(folder: Path) -> list[Path]:
    """List the broken links directly in a folder that stand for images."""
    return [path for path in visible(folder) if is_broken_link(path) and not is_sidecar(path)]


def broken_link_lines(links: list[Path], where: object, most: int = _SHOWN) -> list[str]:
    """Word broken links for a user: a line each, or, above `most`, one line with the first few."""
    expected = "expected the files themselves (of DataLad and git-annex: `datalad get` fetches them)"
    if len(links) <= most:
        return [f"{link}: found a broken link to {os.readlink(link)}, {expected}" for link in links]
    shown = ", ".join(map(str, links[:_SHOWN])) + (", …" if len(links) > _SHOWN else "")
    return [f"{where}: found {len(links)} broken links ({shown}), {expected}"]


def cannot_be_read(error: OSError) -> bool:
    """Whether the file system refused a file or folder; libraries raise `OSError` for damaged ones too."""
    return error.errno in _UNREADABLE


def unreadable_line(error: OSError, path: Path) -> str:
    """Word a refusal of the file system for a user."""
    return (
        f"{error.filename or path}: found what cannot be read ({error.strerror}), "
        "expected a file or folder with read permission"
    )
