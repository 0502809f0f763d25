"""A user's folder of images: what is in it, verified before any work starts."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.labels_csv import LABELS, read_labels
from bench.data.readers import EXPECTED, kind_of, probe
from bench.errors import UserError

# what commonly lies beside images: not images, and no mistake
_SIDECARS = (".json", ".txt", ".md", ".csv", ".tsv", ".pdf", ".xml", ".bval", ".bvec", ".xlsx")
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "dicomdir", "__macosx")


@dataclass(frozen=True)
class Item:
    """One scan of a user's folder: a file, or a DICOM series folder.

    Attributes
    ----------
    path : where it is.
    label : name of its class.
    subject : whose it is; all of a subject's items stay in one part of a fold.
    site : scanner or hospital, or None.
    kind : its format, one of `bench.data.readers.KINDS`.
    """

    path: Path
    label: str
    subject: str
    site: str | None
    kind: str


@dataclass(frozen=True)
class FolderReport:
    """All that verification found: `problems` must be mended, `warnings` should be read."""

    items: list[Item]
    problems: list[str]
    warnings: list[str]


def list_folder(folder: str | Path) -> list[Item]:
    """List and verify a user's folder.

    The folder holds either `labels.csv` (`path,label,subject`, optional `site`), or a folder a class. In
    the latter, what lies directly in the class folder is one subject (`normal/sub-01.nii.gz`,
    `normal/sub-02/`), and its id carries the class (`normal/sub-01`), since numbers may begin anew in each.

    Raises
    ------
    UserError : the first problem; `check_folder` collects them all.
    """
    report = check_folder(folder)
    if report.problems:
        more = len(report.problems) - 1
        also = f" (and {more} more problem{'s' if more > 1 else ''}; `make check` lists them)" if more else ""
        raise UserError(report.problems[0] + also)
    return report.items


def check_folder(folder: str | Path) -> FolderReport:
    """Verify a user's folder as `list_folder` does, and collect all problems and warnings.

    Headers are read, voxels are not.
    """
    folder = Path(folder).expanduser()
    problems: list[str] = []
    warnings: list[str] = []
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "nothing there"
        return FolderReport([], [f"DATA={folder}: found {what}, expected a folder of images"], [])
    if (folder / LABELS).exists():
        items = _from_labels(folder, problems)
    else:
        items = _from_class_folders(folder, problems)
    _probe_all(items, problems, warnings)
    _check_labels(folder, items, problems, warnings)
    return FolderReport(items, problems, warnings)


def _kind(path: Path, where: str, problems: list[str]) -> str | None:
    """Name the format of an existing, non-empty, known file, or report a problem."""
    if not path.exists():
        problems.append(f"{where}: found no file {path}, expected one of {EXPECTED}")
        return None
    if path.is_file() and path.stat().st_size == 0:
        problems.append(f"{where}: found an empty file {path}, expected an image")
        return None
    kind = kind_of(path)
    if kind is None:
        what = "a folder without DICOM files" if path.is_dir() else "an unknown format"
        problems.append(f"{where}: found {what} ({path}), expected {EXPECTED}")
    return kind


def _from_labels(folder: Path, problems: list[str]) -> list[Item]:
    items = []
    seen: dict[Path, tuple[int, str]] = {}
    for row in read_labels(folder / LABELS, problems):
        where = f"{folder / LABELS}, line {row.line}"
        path = folder / row.path
        if not path.exists() and "\\" in row.path:  # written on Windows
            path = folder / row.path.replace("\\", "/")
        identity = path.resolve()
        if identity.suffix.lower() == ".img" and identity.with_suffix(".hdr").exists():
            identity = identity.with_suffix(".hdr")
        if identity in seen:
            line, label = seen[identity]
            what = f"label {row.label!r} and {label!r}" if label != row.label else "twice"
            problems.append(f"{where}: found {row.path} {what} (also line {line}), expected each path once")
            continue
        seen[identity] = (row.line, row.label)
        kind = _kind(path, where, problems)
        if kind:
            items.append(Item(path, row.label, row.subject, row.site, kind))
    return items


def _visible(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name.lower() not in _SYSTEM_FILES
    )


def _from_class_folders(folder: Path, problems: list[str]) -> list[Item]:
    classes = [path for path in _visible(folder) if path.is_dir()]
    if not classes:
        problems.append(
            f"DATA={folder}: found neither {LABELS} nor folders, expected {LABELS} or a folder a class"
        )
        return []
    items: list[Item] = []
    for loose in (path for path in _visible(folder) if path.is_file() and not _is_sidecar(path)):
        problems.append(
            f"{loose}: found a file outside of the class folders, expected {LABELS} to give its label"
        )
    for class_folder in classes:
        found = []
        for entry in _visible(class_folder):
            subject = f"{class_folder.name}/{_stem(entry)}"
            for path in _scans(entry):
                kind = _kind(path, str(class_folder), problems)
                if kind:
                    found.append(Item(path, class_folder.name, subject, None, kind))
        if not found:
            problems.append(f"{class_folder}: found no image, expected {EXPECTED}")
        items += found
    return items


def _is_sidecar(path: Path) -> bool:
    return path.suffix.lower() in _SIDECARS


def _scans(path: Path) -> list[Path]:
    """List the scans of a file or folder: a DICOM series folder is one; the `.img` of a pair is none."""
    if path.is_file():
        second_of_pair = path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists()
        return [] if second_of_pair or _is_sidecar(path) else [path]
    inside = _visible(path)
    if not any(entry.is_dir() for entry in inside) and kind_of(path) == "dicom":
        return [path]
    return [scan for entry in inside for scan in _scans(entry)]


def _stem(path: Path) -> str:
    if path.is_dir():
        return path.name
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return name.rsplit(".", 1)[0] if "." in name else name


def _probe_all(items: list[Item], problems: list[str], warnings: list[str]) -> None:
    """Read every header; find one DICOM series, or one patient, under two subject ids."""
    found: dict[str, dict[str, Item]] = {"series": {}, "patient": {}}
    for item in items:
        try:
            facts = probe(item.path, item.kind)
        except UserError as error:
            problems.append(str(error))
            continue
        for key, value in facts.items():
            first = found[key].setdefault(value, item)
            if first.subject == item.subject:
                continue
            if key == "series":
                problems.append(
                    f"{item.path}: found the DICOM series of {first.path.name} under another subject, "
                    "expected each series in a folder of its own"
                )
            elif not any(value in warning for warning in warnings):
                warnings.append(
                    f"{item.path}: PatientID {value} also stands in {first.path} of subject {first.subject}"
                )


def _check_labels(folder: Path, items: list[Item], problems: list[str], warnings: list[str]) -> None:
    counts = Counter(item.label for item in items)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        spellings[label.casefold()].append(label)
    for labels in spellings.values():
        if len(labels) > 1:
            problems.append(
                f"DATA={folder}: found labels {' and '.join(map(repr, labels))}, "
                "expected one spelling a class"
            )
    if len(spellings) < 2 and not problems:
        what = f"only the label {next(iter(counts))!r}" if counts else "no image"
        problems.append(f"DATA={folder}: found {what}, expected at least two classes")
    for name, value_of in _CONSISTENT.items():
        values: dict[str, set[str]] = defaultdict(set)
        for item in items:
            values[item.subject].add(value_of(item))
        several = sorted(subject for subject, found in values.items() if len(found) > 1)
        if several:
            example = f"{several[0]}: {', '.join(sorted(values[several[0]]))}"
            warnings.append(f"DATA={folder}: {len(several)} subjects have several {name} ({example})")


_CONSISTENT: dict[str, Callable[[Item], str]] = {
    "labels": lambda item: item.label,
    "sites": lambda item: item.site or "",
}
