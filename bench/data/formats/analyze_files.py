"""Which two files make an Analyze volume: `.hdr` and `.img`, in any case (`S0.HDR`, `S0.IMG`)."""

from pathlib import Path

_OTHER = {".hdr": ".img", ".img": ".hdr"}


def partner_of(path: Path) -> Path | None:
    """Find the other file of a pair beside this one; None if there is none, or this is no such file.

    Scanners and Windows write names in capitals, so case counts for nothing; the very same is preferred.
    """
    other = _OTHER.get(path.suffix.lower())
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
