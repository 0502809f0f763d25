"""Which files are DICOM: by suffix, or by the letters behind the preamble."""

from pathlib import Path

_SUFFIXES = (".dcm", ".ima", ".dicom")


def has_magic(path: Path) -> bool:
    """Tell whether `DICM` stands behind the 128 bytes of preamble (PS3.10, section 7.1)."""
    try:
        with path.open("rb") as file:
            return path.is_file() and file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def files_of(folder: Path) -> list[Path]:
    """List the DICOM files directly in a folder by name; an index (`DICOMDIR`) is no image."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and path.name.upper() != "DICOMDIR"
        and (path.suffix.lower() in _SUFFIXES or has_magic(path))
    )
