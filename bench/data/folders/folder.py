"""A user's folder of images: what is in it, verified before any work starts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

from bench.data.folders.items import PART_NAMES, Item
from bench.data.folders.labels_csv import LABELS, labels_file, read_labels
from bench.data.folders.scan_checks import Found, check_labels, check_scans, probe_all, stem_of
from bench.data.formats import EXPECTED, kind_of, listing
from bench.errors import UserError, printable

_collected: ContextVar[list[str] | None] = ContextVar("warnings of folders", default=None)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect what `list_folder` warns of (`Found.notes`), however deep it is called.

    A task's `load` calls it each time, also for a dataset that is in the cache, but returns a path alone.
    """
    heard: list[str] = []
    token = _collected.set(heard)
    try:
        yield heard
    finally:
        _collected.reset(token)


def list_folder(folder: str | Path) -> list[Item]:
    """List and verify a user's folder.

    The folder holds either `labels.csv` (`path,label,subject`, optional `site` and `split`), or a folder a
    class. In the latter, what lies directly in the class folder is one subject (`normal/sub-01.nii.gz`,
    `normal/sub-02/`), and its id carries the class (`normal/sub-01`), since numbers may begin anew in each.
    Around the class folders there may be `train`, `val` and `test`, an official split. Each folder is read
    once, wherever links lead. Warnings go to `collected_warnings`.

    Raises UserError: the first problem; `check_folder` collects them all.
    """
    report = check_folder(folder)
    if report.problems:
        more = len(report.problems) - 1
        also = f" (and {more} more problem{'s' if more > 1 else ''}; `make check` lists them)" if more else ""
        raise UserError(report.problems[0] + also)
    heard = _collected.get()
    if heard is not None:
        heard.extend(report.notes)
    return report.items


def check_folder(folder: str | Path) -> Found:
    """Verify a user's folder as `list_folder` does, and collect all problems and warnings.

    Headers are read, voxels are not.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "nothing there"
        return Found(problems=[printable(f"DATA={folder}: found {what}, expected a folder of images")])
    found = Found()
    with _reported(folder, found):
        labels = labels_file(folder)
        if labels:
            found.items = _from_labels(folder, labels, found)
        else:
            found.items = _from_class_folders(folder, found)
            check_scans(folder, found)
    probe_all(found)
    found.problems[:0] = listing.broken_link_lines(found.broken, f"DATA={folder}") if found.broken else []
    check_labels(folder, found)
    found.problems = [printable(line) for line in found.problems]
    return found


def unlisted(folder: str | Path, report: Found) -> list[str]:
    """Warn of images in a folder that its `labels.csv` does not name, once all its rows can be read."""
    folder = Path(folder)
    listed = {listing.header_of(item.path.resolve()) for item in report.items}
    found = Found()
    with _reported(folder, found):
        labels = labels_file(folder)
        if labels is None or any(line.startswith(printable(str(labels))) for line in report.problems):
            return []
        missing = [
            path
            for path in scans_below(folder, found)
            if path.resolve() not in listed and path.parent.resolve() not in listed and kind_of(path)
        ]
        if missing:
            names = listing.first_few([path.relative_to(folder).as_posix() for path in missing])
            return [f"{labels}: {len(missing)} images of the folder have no row ({names})"]
    return []


@contextmanager
def _reported(path: Path, found: Found) -> Iterator[None]:
    """Make a problem of what the file system refuses; the rest of the folder is then still looked at."""
    try:
        yield
    except OSError as error:
        found.problems.append(listing.unreadable_line(error, path))


def _kind(path: Path, where: str, found: Found) -> str | None:
    """Name the format of an existing, non-empty, known file, or report a problem."""
    problems = found.problems
    if listing.is_broken_link(path):
        found.broken.append(path)
        return None
    if not path.exists():
        problems.append(f"{where}: found no file {path}, expected one of {EXPECTED}")
        return None
    if path.is_file() and path.stat().st_size == 0:
        problems.append(f"{where}: found an empty file {path}, expected an image")
        return None
    kind = kind_of(path)
    missing = listing.broken_links(path) if kind is None and path.is_dir() else []
    found.broken += missing
    if kind is None and not missing:
        what = "a folder without DICOM files" if path.is_dir() else "an unknown format"
        problems.append(f"{where}: found {what} ({path}), expected {EXPECTED}")
    others = beside_series(path) if kind == "dicom" else []
    if others:
        names = listing.first_few([other.name for other in others])
        found.doubts["beside a series"].append(
            f"{path}: found {names} beside DICOM files, which alone are read"
        )
    return kind


def beside_series(path: Path) -> list[Path]:
    """What is no DICOM file in a series' folder, such as previews or slices cut at their head; of a file, none."""
    inside = listing.visible(path) if path.is_dir() else []
    return [
        each
        for each in inside
        if each.is_file() and not listing.is_sidecar(each) and kind_of(each) != "dicom"
    ]


def _from_labels(folder: Path, labels: Path, found: Found) -> list[Item]:
    items = []
    seen: dict[Path, tuple[int, str]] = {}
    for line, row in read_labels(labels, found.problems).items():
        where = f"{labels}, line {line}"
        with _reported(folder / row.path, found):
            path = folder / row.path
            if "\\" in str(row.path) and not path.exists() and not path.is_symlink():  # written on Windows
                path = folder / str(row.path).replace("\\", "/")
            inside = Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))
            if not inside and not row.path.is_absolute():
                found.problems.append(
                    f"{where}: found {row.path}, which leads out of the folder, expected a path inside it, or an "
                    "absolute one"
                )
                continue
            identity = path if listing.is_broken_link(path) else listing.header_of(path.resolve())
            if identity in seen:
                before, label = seen[identity]
                what = f"label {row.label!r} and {label!r}" if label != row.label else "twice"
                found.problems.append(
                    f"{where}: found {row.path} {what} (also line {before}), expected each path once"
                )
                continue
            seen[identity] = (line, row.label)
            kind = _kind(path, where, found)
            if kind:
                items.append(replace(row, path=path, kind=kind))
    return items


def _from_class_folders(folder: Path, found: Found) -> list[Item]:
    entries = found.enter(folder)
    inside = [path for path in entries if path.is_dir()]
    parts = {path: PART_NAMES.get(path.name.casefold()) for path in inside}
    if "train" not in parts.values():
        return _from_classes(folder, entries, found)
    for path in (path for path, part in parts.items() if part is None):
        found.problems.append(
            f"{path}: found a folder beside the parts of an official split, expected train, val and test alone"
        )
    _check_loose(folder, entries, found)
    return [
        replace(item, part=part, subject=f"{path.name}/{item.subject}")
        for path, part in parts.items()
        if part is not None
        for item in _from_classes(path, found.enter(path), found)
    ]


def _from_classes(folder: Path, entries: list[Path], found: Found) -> list[Item]:
    classes = [path for path in entries if path.is_dir()]
    n_links = len(found.broken)
    _check_loose(folder, entries, found)
    if not classes and len(found.broken) == n_links:
        found.problems.append(
            f"DATA={folder}: found neither {LABELS} nor folders, expected {LABELS} or a folder a class"
        )
    return [item for class_folder in classes for item in _items_of_class(class_folder, found)]


def _check_loose(folder: Path, entries: list[Path], found: Found) -> None:
    """Note broken links, and files whose class nobody says."""
    loose = [path for path in entries if not path.is_dir() and not listing.is_sidecar(path)]
    found.broken += [path for path in loose if listing.is_broken_link(path)]
    files = [path for path in loose if path.is_file()]
    if files and len(files) < len(entries):
        more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
        found.problems.append(
            f"{files[0]}: found a file outside of the class folders{more}, expected {LABELS} to give its label"
        )


def _items_of_class(folder: Path, found: Found) -> list[Item]:
    items: list[Item] = []
    n_faults = len(found.broken) + len(found.problems)
    if _refused_name(folder, found):
        return items
    with _reported(folder, found):
        for entry in found.enter(folder):
            subject = f"{folder.name}/{stem_of(entry)}"
            if _refused_name(entry, found):
                continue
            with _reported(entry, found):
                for path in scans_below(entry, found):
                    kind = _kind(path, str(folder), found)
                    if kind:
                        items.append(Item(path, folder.name, subject, None, kind))
    if not items and len(found.broken) + len(found.problems) == n_faults:
        found.problems.append(f"{folder}: found no image, expected {EXPECTED}")
    return items


def _refused_name(path: Path, found: Found) -> bool:
    """Note a name of bytes in another encoding, as archives leave them: it cannot be written anywhere."""
    refused = any("\ud800" <= letter <= "\udfff" for letter in path.name)
    if refused:
        found.problems.append(f"{path}: found a name that is not UTF-8, expected one that is")
    return refused


def scans_below(path: Path, found: Found) -> list[Path]:
    """List the scans of a file or folder: a DICOM series' folder is one; the `.img` of a pair is none.

    What lies in folders inside a series' folder are other scans. Of DICOM files that are scans by themselves
    (`dicom.are_scans_each`) each is one.

    No folder is entered twice. A broken link is listed as a scan, since that is what it stands for.
    """
    if not path.is_dir():
        return [] if listing.header_of(path) != path or listing.is_sidecar(path) else [path]
    inside = found.enter(path)
    folders = [entry for entry in inside if entry.is_dir()]
    files = listing.dicom_files(path) if inside else []
    if files and (len(files) > 1 or not folders):
        from bench.data.formats.dicom import are_scans_each  # its library takes long to import

        if not are_scans_each(files):
            return [path, *(scan for entry in folders for scan in scans_below(entry, found))]
    return [scan for entry in inside for scan in scans_below(entry, found)]
