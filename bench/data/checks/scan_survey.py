"""The scans of a folder, each read whole: what they hold, and every fault at once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.checks.shortcuts import background
from bench.data.dataset import Dataset
from bench.data.folders.items import PARTS, Item, columns, in_order
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


def survey(items: Sequence[Item]) -> tuple[list[tuple[Item, Scan]], list[str]]:
    """Read every scan, in processes; of those that cannot be read, what is wrong with them."""
    calls = [(item.path, item.kind) for item in items]
    workers = min(cores(), 1 + len(items) // 50)
    found = list(map_processes(_examine, calls, workers=workers, description="Reading scans"))
    scans = [(item, scan) for item, scan in zip(items, found, strict=True) if isinstance(scan, Scan)]
    return scans, [scan for scan in found if isinstance(scan, str)]


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


def doubts(scans: Sequence[tuple[Item, Scan]]) -> list[str]:
    """Warn of constant images, values that are not finite, and images among volumes."""
    warnings = [f"{item.path}: found one value everywhere" for item, scan in scans if scan.constant]
    warnings += [
        f"{item.path}: found {scan.non_finite} values that are not finite, taken for background"
        for item, scan in scans
        if scan.non_finite
    ]
    dimensions = Counter(len(scan.shape) for _, scan in scans)
    usual = max(dimensions, key=lambda n: dimensions[n], default=0)
    what = {2: "an image", 3: "a volume"}
    warnings += [
        f"{item.path}: found {what[len(scan.shape)]} of {_by(scan.shape)}, expected {what[usual]} as "
        f"{dimensions[usual]} of {len(scans)} are"
        for item, scan in scans
        if len(scan.shape) != usual
    ]
    return warnings


def lines(items: Sequence[Item], scans: Sequence[tuple[Item, Scan]]) -> list[str]:
    """Say what was found."""
    found = [scan for _, scan in scans]
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


def thumbnails(scans: Sequence[tuple[Item, Scan]]) -> tuple[Dataset, dict[str, np.ndarray]] | None:
    """The scans of the usual dimension as a dataset, with facts that should say nothing of the labels.

    Returns the dataset, and facts by name: numbers or texts `[n]`. None where less than two classes are left.
    """
    usual = Counter(len(scan.shape) for _, scan in scans).most_common(1)
    scans = [(item, scan) for item, scan in scans if len(scan.shape) == usual[0][0]]
    kept, found = [item for item, _ in scans], [scan for _, scan in scans]
    classes = in_order(item.label for item in kept)
    if len(classes) < 2:
        return None
    dataset = Dataset(
        name="scans",
        x=np.stack([scan.thumbnail for scan in found])[..., None],
        **columns(kept, classes),
        fingerprint="",
        provenance="",
    )
    facts = {
        "file size": np.array([scan.bytes for scan in found]),
        "image size": np.array([float(np.prod(scan.shape)) for scan in found]),
        "voxel size": np.array([round(float(np.prod(scan.spacing_mm or 0.0)), 6) for scan in found]),
        "background": np.array([scan.background for scan in found]),
        "header": np.array([scan.header for scan in found]),
    }
    return dataset, facts


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _spacing(scan: Scan) -> str:
    return "x".join(f"{size:.3g}" for size in scan.spacing_mm) if scan.spacing_mm else "not said"


def _counted(values) -> str:
    counts = Counter(values)
    more = f", and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common(_SHOWN)) + more
