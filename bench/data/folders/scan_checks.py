"""What the scans of a user's folder are checked for, and what is found."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.folders.items import PARTS, Item
from bench.data.folders.labels_csv import LABELS
from bench.data.formats import probe
from bench.data.formats.listing import first_few, visible
from bench.errors import UserError, printable

# the last word of names that segmentations go by, after `_`, `-`, `.` or a space
_LABEL_MAP = re.compile(r"(^|[_.\- ])(d?seg|segmentation|mask|labels?|lesion)$", re.IGNORECASE)
_SHOWN = 3  # warnings of one kind in a report


@dataclass
class Found:
    """What verification of a folder has found so far: `problems` must be mended, `warnings` should be read.

    `doubts` are the warnings under what they are about; `broken` links and folders `entered` are for the search.
    """

    items: list[Item] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    doubts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    entered: dict[tuple[int, int], Path] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        return [printable(line) for lines in self.doubts.values() for line in lines]

    @property
    def notes(self) -> list[str]:
        """The warnings as a report has room for: the first few of each kind."""
        return [printable(note) for lines in self.doubts.values() for note in _few(lines)]

    def enter(self, folder: Path) -> list[Path]:
        """List a folder that no path has led to before; links that lead there again are a problem.

        Links may lead around in circles, and two in each of forty folders are 2^40 paths.
        """
        stat = folder.stat()
        first = self.entered.setdefault((stat.st_dev, stat.st_ino), folder)
        if first is not folder:
            self.problems.append(f"{folder}: found a link to {first}, expected each folder once")
            return []
        return visible(folder)


def _few(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    if more <= 0:
        return lines
    return [*lines[:_SHOWN], f"{more} more such warning{'s' if more > 1 else ''}: `make check` lists them"]


def stem_of(path: Path) -> str:
    """Name of a file without its suffixes, or of a folder as it is."""
    if path.is_dir():
        return path.name
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and not suffix.isdigit() else name  # `scan.001` and `scan.002` are two


def check_scans(folder: Path, found: Found) -> None:
    """Look for files of class folders that may be no samples: label maps, and further scans of a subject."""
    maps = [item.path for item in found.items if _LABEL_MAP.search(stem_of(item.path))]
    if maps:
        shown = first_few([path.relative_to(folder).as_posix() for path in maps])
        found.problems.append(
            f"DATA={folder}: found {len(maps)} file{'s' if len(maps) > 1 else ''} named like a label map "
            f"({shown}), expected images alone, or {LABELS} to say which they are"
        )
    scans = _grouped((item.subject, item.path.name) for item in found.items)
    _check_names_of_parts(folder, found)
    several = [subject for subject, names in scans.items() if len(names) > 1]
    if several:
        found.doubts["scans"].append(
            f"DATA={folder}: {len(several)} subject{'s have' if len(several) > 1 else ' has'} several scans, "
            f"each taken for a sample ({several[0]}: {first_few(scans[several[0]])}); {LABELS} can say which are"
        )


def _check_names_of_parts(folder: Path, found: Found) -> None:
    """Warn of names that stand in several parts of an official split: perhaps subjects in training and test."""
    parts = _grouped((item.subject.partition("/")[2], item.part) for item in found.items if item.part)
    shared = sorted(name for name, seen in parts.items() if len(set(seen)) > 1)
    if shared:
        found.doubts["split"].append(
            f"DATA={folder}: {len(shared)} name{'s stand' if len(shared) > 1 else ' stands'} in several of "
            f"{', '.join(PARTS)} ({first_few(shared)}), each taken for another subject; if they are the same, "
            f"the split leaks: {LABELS} (path,label,subject,split) can say so"
        )


def probe_all(found: Found) -> None:
    """Read every header; find one DICOM series, or one patient, under two subject ids."""
    series: dict[str, Item] = {}
    patients: dict[str, dict[str, Item]] = defaultdict(dict)
    for item in found.items:
        try:
            facts = probe(item.path, item.kind)
        except UserError as error:
            found.problems.append(str(error))
            continue
        first = series.setdefault(facts["series"], item) if "series" in facts else item
        if first.subject != item.subject:
            found.problems.append(
                f"{item.path}: found the DICOM series of {first.path.name} under another subject, "
                "expected each series in a folder of its own"
            )
        if "patient" in facts:
            patients[facts["patient"]].setdefault(item.subject, item)
        for what in ("tilt", "spacing"):
            if what in facts:
                found.doubts[what].append(f"{item.path}: {facts[what]}")
    _check_patients(patients, found)


def _check_patients(patients: dict[str, dict[str, Item]], found: Found) -> None:
    """Warn of patients who are several subjects; their id is left out, since reports are published."""
    for subjects in patients.values():
        if len(subjects) < 2:
            continue
        first, second, *others = subjects.values()
        more = f" and of {len(others)} more subject{'s' if len(others) > 1 else ''}" if others else ""
        found.doubts["patients"].append(
            f"{second.path} of subject {second.subject}: its PatientID also stands in {first.path} of subject "
            f"{first.subject}{more}; one patient may so be in training and test"
        )


def check_labels(folder: Path, found: Found) -> None:
    """Look for classes spelt in two ways, a single class, and subjects of several labels or sites."""
    counts = Counter(item.label for item in found.items)
    spellings = _grouped((_spelt(label), label) for label in sorted(counts))
    sites = sorted({item.site for item in found.items if item.site})
    for what, kind, names in (
        *(("labels", "class", labels) for labels in spellings.values()),
        *(("sites", "site", alike) for alike in _grouped((_spelt(site), site) for site in sites).values()),
    ):
        if len(names) > 1:
            found.problems.append(
                f"DATA={folder}: found {what} {' and '.join(map(repr, names))}, expected one spelling a {kind}"
            )
    if len(spellings) < 2 and not found.problems:
        what = f"only the label {next(iter(counts))!r}" if counts else "no image"
        found.problems.append(f"DATA={folder}: found {what}, expected at least two classes")
    for part in sorted({item.part for item in found.items if item.part is not None}):
        missing = sorted(set(counts) - {item.label for item in found.items if item.part == part})
        if missing:
            found.problems.append(
                f"DATA={folder}: found no image of {', '.join(missing)} in {part}, expected some of each class"
            )
    if {item.part for item in found.items} - {None} and all(item.part != "train" for item in found.items):
        found.problems.append(f"DATA={folder}: found a split without train, expected images to train on")
    for subject, seen in _varied(found.items, "part").items():
        found.problems.append(
            f"DATA={folder}: found subject {subject!r} in {' and '.join(seen)}, expected each subject in one part "
            "of the split"
        )
    subjects = sorted({item.subject for item in found.items})
    alike = [names for names in _grouped((_spelt(s), s) for s in subjects).values() if len(names) > 1]
    if alike:
        found.doubts["subject"].append(
            f"DATA={folder}: subjects {' and '.join(map(repr, alike[0]))} are taken for different ones; if they "
            "are the same, that one may be in training and test"
        )
    for name in ("label", "site"):
        several = _varied(found.items, name)
        if several:
            subject, seen = next(iter(several.items()))
            found.doubts[name].append(
                f"DATA={folder}: {len(several)} subjects have several {name}s ({subject}: {', '.join(seen)})"
            )


def _spelt(name: str) -> str:
    """The same for names that only case, spaces, or the way in which Unicode composes letters tell apart."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _varied(items: list[Item], name: str) -> dict[str, list[str]]:
    """Subjects whose items differ in something, and what they say of it; all sorted."""
    said = _grouped((item.subject, getattr(item, name) or "") for item in items)
    return {subject: sorted(set(seen)) for subject, seen in sorted(said.items()) if len(set(seen)) > 1}


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
