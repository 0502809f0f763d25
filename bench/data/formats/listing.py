"""What lies in a user's folder: which files make a scan, what is passed over, links whose files are not there."""

import errno
import os
from pathlib import Path

# what commonly lies beside images: not images, and no mistake
_SIDECARS = (".json", ".txt", ".md", ".csv", ".tsv", ".pdf", ".xml", ".bval", ".bvec", ".xlsx", ".toml")
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "dicomdir", "__macosx")
# the file system refused a file or folder
UNREADABLE = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EIO, errno.ESTALE)
_SHOWN = 3
_OTHER_OF_PAIR = {".hdr": ".img", ".img": ".hdr"}
DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")


def has_dicom_magic(path: Path) -> bool:
    """Tell whether `DICM` stands behind the 128 bytes of preamble (PS3.10, section 7.1)."""
    try:
        with path.open("rb") as file:
            return path.is_file() and file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def dicom_files(folder: Path) -> list[Path]:
    """List the DICOM files directly in a folder by name; an index (`DICOMDIR`) is no image."""
    return [
        path
        for path in visible(folder)
        if path.is_file() and (path.suffix.lower() in DICOM_SUFFIXES or has_dicom_magic(path))
    ]


def partner_of(path: Path) -> Path | None:
    """Find the other file, `.hdr` or `.img`, of an Analyze pair; None if there is none, or this is no such file.

    Scanners and Windows write names in capitals, so case counts for nothing; the very same is preferred.
    """
    other = _OTHER_OF_PAIR.get(path.suffix.lower())
    if other is None:
        return None
    same_case = path.with_suffix(other.upper() if path.suffix.isupper() else other)
    if same_case.is_file():
        return same_case
    name = (path.stem + other).lower()
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    return next((file for file in beside if file.name.lower() == name and file.is_file()), None)


def header_of(path: Path) -> Path:
    """Name a scan by its header: the `.hdr` of a pair, for either of its files; any other path as it is."""
    partner = partner_of(path)
    return partner if partner is not None and path.suffix.lower() == ".img" else path


def parts_of(path: Path) -> list[Path]:
    """The files of a scan: those of a DICOM series folder, the pair of an Analyze file, or the file."""
    if path.is_dir():
        return dicom_files(path)
    partner = partner_of(path)
    return [path] if partner is None else sorted((path, partner))


def visible(folder: Path) -> list[Path]:
    """List a folder by name, without hidden files and those of operating systems.

    Raises OSError: it may not be read.
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


def first_few(names: list[str], most: int = _SHOWN) -> str:
    """The first of some names, for a message."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def broken_link_lines(links: list[Path], where: object, most: int = _SHOWN) -> list[str]:
    """Word broken links for a user: a line each, or, above `most`, one line with the first few."""
    expected = "expected the files themselves (of DataLad and git-annex: `datalad get` fetches them)"
    if len(links) <= most:
        return [f"{link}: found a broken link to {os.readlink(link)}, {expected}" for link in links]
    shown = first_few([str(link) for link in links])
    return [f"{where}: found {len(links)} broken links ({shown}), {expected}"]


def unreadable_line(error: OSError, path: Path) -> str:
    """Word a refusal of the file system for a user."""
    return (
        f"{error.filename or path}: found what cannot be read ({error.strerror}), "
        "expected a file or folder with read permission"
    )
