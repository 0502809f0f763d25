"""A user's folder of SPECT images as a `Dataset` of striatal slices."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.data.dataset import Dataset, fingerprint
from bench.data.folders.folder import list_folder
from bench.data.folders.items import columns, in_order, official_masks, split_details
from bench.data.formats import read
from bench.data.preprocess.spect_slices import orient, to_slice
from bench.errors import UserError

_BY_UPTAKE = "the slices through the striatum, found by its uptake"
_STAGES = ("normal", "early", "middle", "late")


def load(folder: Path, slices: Sequence[int] | None = None) -> Dataset:
    """Read DICOM, NIfTI, Analyze, PNG, JPEG or `.npy`, volumes or slices, to `[n, 109, 91, 1]`.

    Classes that are all stages keep the order of severity; others see `in_order`. `slices` are the first and last
    slice of a volume to average, counted from below, from 0; None finds them by the uptake.

    Raises UserError: see `bench.data.folders.folder.list_folder`; or a volume without voxel sizes or with too few
    slices.
    """
    if folder.is_file():
        raise UserError(f"DATA={folder}: found a file; expected a folder with labels.csv or a folder a class")
    items = list_folder(folder)
    found = {item.label for item in items}
    classes = tuple(s for s in _STAGES if s in found) if found <= set(_STAGES) else in_order(found)
    x = read_slices([(item.path, item.kind) for item in items], slices)[..., None]
    own, masks = columns(items, classes), official_masks(items)
    how = f"slices {slices[0]} to {slices[1]}" if slices else _BY_UPTAKE
    counts = ", ".join(f"{name} {int((own['y'] == label).sum())}" for label, name in enumerate(classes))
    return Dataset(
        name=f"spect-{folder.resolve().name}",
        x=x,
        **own,
        fingerprint=fingerprint(
            x,
            own["y"],
            *own["subjects"],
            "\0".join(classes),
            *(() if own["sites"] is None else ("sites", *own["sites"])),
            *(part for named in masks.items() for part in named),
        ),
        provenance=f"Own images; of a volume the mean of {how}.",
        details={
            "grid": "109 x 91 pixels of 2 mm, anterior at the top",
            "samples": counts,
            **split_details(items),
        },
    )


def read_slices(files: list[tuple[Path, str | None]], slices: Sequence[int] | None = None) -> np.ndarray:
    """Read files to striatal slices, float32 `[n, 109, 91]`.

    Pictures without a header say nothing of how the head lies: those of one shape are turned alike. `files` are
    path and kind of each; the kind may be None, to be told from the file. For `slices` see `load`.
    """
    span = (slices[0], slices[1] + 1) if slices else None
    result = np.empty((len(files), 109, 91), np.float32)
    pictures: dict[tuple[int, ...], dict[int, np.ndarray]] = defaultdict(dict)
    for place, (path, kind) in enumerate(files):
        volume = read(path, kind)
        if volume.spacing_mm is None and volume.array.shape in ((109, 91), (91, 109)):
            pictures[volume.array.shape][place] = volume.array
        else:
            result[place] = to_slice(volume, span, str(path))
    for alike in pictures.values():
        result[list(alike)] = orient(np.stack(list(alike.values())))
    return result
