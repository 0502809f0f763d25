"""Where DICOM frames lie: orientation, spacing and order of slices.

Section numbers are those of DICOM PS3.3. DICOM's patient axes are LPS; the affines made here are RAS.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from bench.data.formats.volume import tilt_warning
from bench.errors import UserError

_UNEVEN = 0.05  # share of the mean distance by which distances of slices may differ without a word
_BESIDE = 1.0  # pixels by which slices may lie beside one another without a word
_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_TIMES = ("FrameTime", "FrameTimeVector")  # C.7.6.5
_PLACES = ("SpacingBetweenSlices", "NumberOfSlices", "SliceVector", "GridFrameOffsetVector")
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Orientation:
    """The plane of a frame: two direction cosines (LPS) and the distances of rows and of columns."""

    along_row: np.ndarray
    along_column: np.ndarray
    spacing_mm: tuple[float, float] | None

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.along_row, self.along_column)


@dataclass(frozen=True)
class FrameGeometry:
    """What a header says about one frame; None for what it does not."""

    orientation: Orientation
    position: np.ndarray | None
    number: float
    distance_mm: float | None
    name: str
    location: float | None = None

    @classmethod
    def of_header(cls, data: pydicom.Dataset, path: Path) -> "FrameGeometry":
        """Read a file of one frame (C.7.6.2), which may have functional groups (C.7.6.16)."""
        if len(data.get("PerFrameFunctionalGroupsSequence") or ()) == 1:
            (found,) = _functional_groups(data, 1, path)
            return replace(found, number=float(data.get("InstanceNumber") or 0), name=path.name)
        position = data.get("ImagePositionPatient")
        location = data.get("SliceLocation")
        return cls(
            orientation_of(data),
            np.array(position, dtype=np.float64) if position else None,
            float(data.get("InstanceNumber") or 0),
            _distance(data),
            path.name,
            float(location) if location not in (None, "") else None,
        )


@dataclass(frozen=True)
class Stack:
    """Frames in the order of their places.

    Attributes
    ----------
    order : indices of the frames.
    affine : `[4, 4]`, (column, row, slice) indices to RAS millimetres.
    gaps_mm : distances of neighbours along the normal; None where no header gives a place.
    beside_mm : how far a slice lies beside the line from the first to the last, at most.
    has_sizes : whether the headers give the voxels' sizes; where they do not, 1 mm stands in `affine`.
    """

    order: list[int]
    affine: np.ndarray
    gaps_mm: np.ndarray | None
    beside_mm: float
    has_sizes: bool

    def warnings(self) -> dict[str, str]:
        """What is not as resampling assumes it: `tilt` and `spacing`, a text each; mostly empty."""
        warnings, gaps_mm, doubts = tilt_warning(self.affine), self.gaps_mm, []
        if gaps_mm is None:
            doubts.append("found slices without a position, assumed the order of their numbers, from below")
        elif np.ptp(gaps_mm) > max(_UNEVEN * gaps_mm.mean(), 0.01):
            doubts.append(
                f"found slices {gaps_mm.min():.2f} to {gaps_mm.max():.2f} mm apart, "
                f"assumed {gaps_mm.mean():.2f} mm between all"
            )
        if not self.has_sizes:
            doubts.append("found no voxel size, expected PixelSpacing and a distance of slices")
        if self.beside_mm > _BESIDE * np.linalg.norm(self.affine[:3, 0]):
            doubts.append(
                f"found slices up to {self.beside_mm:.1f} mm beside others, assumed one behind the other"
            )
        return warnings | ({"spacing": "; ".join(doubts)} if doubts else {})


def _distance(*groups: pydicom.Dataset) -> float | None:
    """Distance of slices: `SpacingBetweenSlices`, else `SliceThickness`, of the first that has it."""
    for key in ("SpacingBetweenSlices", "SliceThickness"):
        for group in groups:
            value = group.get(key)
            if value not in (None, "") and float(value) != 0:
                return float(value)
    return None


def orientation_of(*groups: pydicom.Dataset) -> Orientation:
    """Take orientation and pixel spacing from the first of these headers or sequence items that has them.

    `PixelSpacing` is (between rows, between columns), C.7.6.2.1.1; projection images have
    `ImagerPixelSpacing` instead.
    """
    cosines = np.array(_AXIAL)
    spacing: tuple[float, float] | None = None
    for group in reversed(groups):
        if group.get("ImageOrientationPatient"):
            cosines = np.array(group.ImageOrientationPatient, dtype=np.float64)
        values = group.get("PixelSpacing") or group.get("ImagerPixelSpacing")
        if values and min(map(float, values)) > 0:
            spacing = (float(values[0]), float(values[1]))
    return Orientation(cosines[:3], cosines[3:], spacing)


def _item(group: pydicom.Dataset, sequence: str) -> pydicom.Dataset:
    items = group.get(sequence)
    return items[0] if items else pydicom.Dataset()


def _functional_groups(data: pydicom.Dataset, n_frames: int, path: Path) -> list[FrameGeometry]:
    """Enhanced MR, CT and PET: functional groups, of each frame or shared (C.7.6.16)."""
    each = data.PerFrameFunctionalGroupsSequence
    if len(each) != n_frames:
        raise UserError(f"{path}: found {n_frames} frames and {len(each)} groups, expected a group a frame")
    shared = _item(data, "SharedFunctionalGroupsSequence")
    frames = []
    for index, group in enumerate(each):
        planes = [_item(g, "PlaneOrientationSequence") for g in (group, shared)]
        measures = [_item(g, "PixelMeasuresSequence") for g in (group, shared)]
        places = [_item(g, "PlanePositionSequence").get("ImagePositionPatient") for g in (group, shared)]
        position = next((np.array(place, dtype=np.float64) for place in places if place), None)
        orientation, distance = orientation_of(*planes, *measures, data), _distance(*measures, data)
        frames.append(FrameGeometry(orientation, position, float(index), distance, f"frame {index + 1}"))
    return frames


def frames_of_file(data: pydicom.Dataset, n_frames: int, path: Path) -> list[FrameGeometry]:
    """Return the geometry of every frame of a multi-frame file.

    Nuclear medicine and others without functional groups take equal steps from one first frame. C.8.4.15: a
    negative `SpacingBetweenSlices` stacks against its normal.

    Raises UserError: the frames are not the slices of one volume.
    """
    if data.get("PerFrameFunctionalGroupsSequence"):
        return _functional_groups(data, n_frames, path)
    image_type = [str(part).upper() for part in data.get("ImageType", [])]
    if data.get("Modality") == "NM" and len(image_type) > 2 and "RECON" not in image_type[2]:
        raise UserError(
            f"{path}: found nuclear-medicine frames of type {image_type[2]}, expected reconstructed slices "
            "(RECON TOMO)"
        )
    if any(data.get(time) for time in _TIMES) and not any(data.get(place) for place in _PLACES):
        raise UserError(
            f"{path}: found {n_frames} frames one after the other in time, expected slices of a volume"
        )
    n_slices = int(data.get("NumberOfSlices") or n_frames)
    if n_slices != n_frames:
        raise UserError(f"{path}: found {n_frames} frames for {n_slices} slices, expected a frame a slice")
    detector = _item(data, "DetectorInformationSequence")
    orientation = orientation_of(detector, data)
    distance = _distance(data)
    start = detector.get("ImagePositionPatient") or data.get("ImagePositionPatient") or (0.0, 0.0, 0.0)
    numbers = [float(value) for value in (data.get("SliceVector") or range(1, n_frames + 1))]
    along = [None if distance is None else (number - 1) * distance for number in numbers]
    if offsets := data.get("GridFrameOffsetVector"):  # radiotherapy doses, C.8.8.3.2
        along = [float(offset) - float(offsets[0]) for offset in offsets]  # absolute ones begin elsewhere
    if len(numbers) != n_frames or len(along) != n_frames:
        raise UserError(
            f"{path}: found places for {len(numbers)} or {len(along)} frames, expected {n_frames}"
        )
    first = np.array(start, dtype=np.float64)
    return [
        FrameGeometry(
            orientation,
            None if place is None else first + place * orientation.normal,
            number,
            distance,
            f"frame {index}",
        )
        for index, (number, place) in enumerate(zip(numbers, along, strict=True), start=1)
    ]


def stack(frames: list[FrameGeometry], source: Path) -> Stack:
    """Order frames along their normal, and make the affine of the stack.

    Raises UserError: orientations or spacings differ, a position occurs twice (time points, echoes), or a slice is
    missing (one gap above 1.5 times the usual).
    """
    plane = frames[0].orientation
    for frame in frames:
        here = frame.orientation
        axes = ((here.along_row, plane.along_row), (here.along_column, plane.along_column))
        if not all(np.allclose(one, other, atol=1e-3) for one, other in axes):
            raise UserError(
                f"{source}: found another orientation in {frame.name} than in {frames[0].name}, "
                "expected parallel slices"
            )
        if not np.allclose(here.spacing_mm or (1, 1), plane.spacing_mm or (1, 1), rtol=1e-3):
            raise UserError(f"{source}: found another pixel spacing in {frame.name}, expected one for all")
    places: dict[str, list[Any]] = {
        "position": [None if f.position is None else f.position @ plane.normal for f in frames],
        "slice location": [frame.location for frame in frames],
        "instance number": [frame.number for frame in frames],
    }
    what, values = next((what, values) for what, values in places.items() if None not in values)
    along = np.array(values, dtype=np.float64)
    order = [int(index) for index in np.argsort(along, kind="stable")]
    gaps = np.diff(along[order])
    _check_gaps(gaps, order, frames, what, source)
    is_placed = what != "instance number"
    step = plane.normal * (float(gaps.mean()) if is_placed else abs(frames[0].distance_mm or 1.0))
    start, beside_mm = np.zeros(3), 0.0
    if what == "position":
        positions = np.array([frames[index].position for index in order])
        start, last = positions[[0, -1]]
        step = (last - start) / (len(frames) - 1)  # also right where a gantry was tilted
        parts = (along[order] - along[order[0]]) / (along[order[-1]] - along[order[0]])
        beside_mm = float(np.linalg.norm(positions - start - parts[:, None] * (last - start), axis=1).max())
    row_mm, column_mm = plane.spacing_mm or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3] = np.stack([plane.along_row * column_mm, plane.along_column * row_mm, step, start], axis=1)
    has_sizes = plane.spacing_mm is not None and (is_placed or bool(frames[0].distance_mm))
    return Stack(order, _LPS_TO_RAS @ affine, gaps if is_placed else None, beside_mm, has_sizes)


def _check_gaps(
    gaps: np.ndarray, order: list[int], frames: list[FrameGeometry], what: str, source: Path
) -> None:
    usual = float(np.percentile(gaps, 50, method="lower"))  # of two, the smaller: one slice of three may miss
    for gap, pair in zip(gaps, pairwise(order), strict=True):
        before, after = (frames[index].name for index in pair)
        if gap < 1e-3 or gap < 0.1 * usual:
            raise UserError(
                f"{source}: found the same {what} in {before} and {after}, expected one frame a position "
                "(several time points or echoes in one folder?)"
            )
        if gap > 1.5 * usual:
            raise UserError(
                f"{source}: found a gap of {gap:.2f} between {before} and {after} where others are "
                f"{usual:.2f} ({what}), expected no missing slice"
            )
