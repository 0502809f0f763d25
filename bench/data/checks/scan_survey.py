"""The scans of a folder, each read whole: what they hold, and every fault at once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.checks.shortcuts import background
from bench.data.dataset import Dataset
from bench.data.folders.items import PARTS, Item, columns
from bench.data.formats import read
from bench.data.formats.listing import parts_of
from bench.data.preprocess.grid import resample
from bench.data.processes import cores, map_processes
from bench.errors import UserError

_SHAPES: dict[int, tuple[int, ...]] = {2: (96, 96), 3: (16, 48, 48)}  # of thumbnails: of images, of volumes
_SHOWN = 5


@dataclass(frozen=True)
class Scan:
    """What a file holds."""

    shape: tuple[int, ...]  # `[height, width]` or `[depth, height, width]`
    spacing_mm: tuple[float, ...] | None  # None where the file has none
    header: str  # orientation, bits and colour mode, in words
    low: float  # percentiles 1 and 99 of its values
    high: float
    background: float  # median of the outermost pixels
    constant: bool  # there is but one value
    non_finite: int  # how many are NaN or infinite
    bytes: int  # of its files
    thumbnail: np.ndarray  # float32, of one shape for all images and one for all volumes


def survey(items: Sequence[Item]) -> list[Scan | str]:
    """Read every scan, in processes; of one that cannot be read, what is wrong with it."""
    calls = ((item.path, item.kind) for item in items)
    workers = min(cores(), 1 + len(items) // 50)
    return list(
        map_processes(_examine, calls, total=len(items), workers=workers, description="Reading scans")
    )


def _examine(path: Path, kind: str, _: None) -> Scan | str:
    try:
        volume = read(path, kind)
        array = volume.displayed()
        thumbnail = resample(array, _SHAPES[array.ndim], antialias=True)
    except UserError as error:
        return str(error)
    low, high = np.percentile(array, (1, 99))
    facts = volume.facts
    words = [
        str(facts[name]) for name in ("stored_orientation", "stored_mode", "Manufacturer") if name in facts
    ]
    return Scan(
        array.shape,
        volume.displayed_spacing_mm(),
        ", ".join([*words, f"{facts.get('stored_bits', 0):g} bits"]),
        float(low),
        float(high),
        background(array),
        bool(array.min() == array.max()),
        int(float(facts.get("non_finite", 0))),
        sum(part.stat().st_size for part in parts_of(path)),
        thumbnail,
    )


def faults(items: Sequence[Item], scans: Sequence[Scan | str]) -> tuple[list[str], list[str]]:
    """Problems and warnings: unreadable files, images among volumes, constant images, NaN."""
    problems = [scan for scan in scans if isinstance(scan, str)]
    read_ones = [(item, scan) for item, scan in zip(items, scans, strict=True) if isinstance(scan, Scan)]
    warnings = [f"{item.path}: found one value everywhere" for item, scan in read_ones if scan.constant]
    warnings += [
        f"{item.path}: found {scan.non_finite} values that are not finite, taken for background"
        for item, scan in read_ones
        if scan.non_finite
    ]
    dimensions = Counter(len(scan.shape) for _, scan in read_ones)
    usual = max(dimensions, key=lambda n: dimensions[n], default=0)
    what = {2: "an image", 3: "a volume"}
    warnings += [
        f"{item.path}: found {what[len(scan.shape)]} of {_by(scan.shape)}, expected {what[usual]} as "
        f"{dimensions[usual]} of {len(read_ones)} are"
        for item, scan in read_ones
        if len(scan.shape) != usual
    ]
    return problems, warnings


def lines(items: Sequence[Item], scans: Sequence[Scan | str]) -> list[str]:
    """Say what was found."""
    found = [scan for scan in scans if isinstance(scan, Scan)]
    text = [
        f"{len(items)} scans of {len({item.subject for item in items})} subjects",
        f"  classes: {_counted(item.label for item in items)}",
        f"  formats: {_counted(item.kind for item in items)}",
    ]
    for part in PARTS:
        inside = [item.label for item in items if item.part == part]
        if inside:
            text.append(f"  {part} (official split): {_counted(inside)}")
    if any(item.site for item in items):
        text.append(f"  sites: {_counted(item.site or 'none' for item in items)}")
    if found:
        text += [
            f"  sizes: {_counted(_by(scan.shape) for scan in found)}",
            f"  voxel sizes in mm: {_counted(_spacing(scan) for scan in found)}",
            f"  headers: {_counted(scan.header for scan in found)}",
            f"  intensities (percentiles 1 and 99): from {min(scan.low for scan in found):.4g} to "
            f"{max(scan.high for scan in found):.4g}, median scan {np.median([scan.low for scan in found]):.4g} "
            f"to {np.median([scan.high for scan in found]):.4g}",
        ]
    return text


def thumbnails(
    items: Sequence[Item], scans: Sequence[Scan | str]
) -> tuple[Dataset, dict[str, np.ndarray]] | None:
    """The scans of the usual dimension as a dataset, with facts that should say nothing of the labels.

    Returns
    -------
    the dataset, and facts by name: numbers or texts `[n]`. None where less than two classes are left.
    """
    pairs = [(item, scan) for item, scan in zip(items, scans, strict=True) if isinstance(scan, Scan)]
    usual = Counter(len(scan.shape) for _, scan in pairs).most_common(1)
    pairs = [(item, scan) for item, scan in pairs if len(scan.shape) == usual[0][0]]
    classes = tuple(sorted({item.label for item, _ in pairs}))
    if len(classes) < 2:
        return None
    kept = [item for item, _ in pairs]
    numbers: dict[str, Callable[[Scan], float | str]] = {
        "file size": lambda scan: scan.bytes,
        "image size": lambda scan: float(np.prod(scan.shape)),
        "voxel size": lambda scan: round(float(np.prod(scan.spacing_mm or 0.0)), 6),
        "background": lambda scan: scan.background,
        "header": lambda scan: scan.header,
    }
    dataset = Dataset(
        name="scans",
        x=np.stack([scan.thumbnail for _, scan in pairs])[..., None],
        **columns(kept, classes),
        fingerprint="",
        provenance="",
    )
    return dataset, {name: np.array([of(scan) for _, scan in pairs]) for name, of in numbers.items()}


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _spacing(scan: Scan) -> str:
    return "x".join(f"{size:.3g}" for size in scan.spacing_mm) if scan.spacing_mm else "not said"


def _counted(values) -> str:
    counts = Counter(values)
    more = f", and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common(_SHOWN)) + more
