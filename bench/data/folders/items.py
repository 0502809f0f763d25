"""One scan of a user's folder, and which part of an official split it is in."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PARTS = ("train", "validation", "test")
# what the folders around the classes, or the column `split` of labels.csv, call them, in any case
PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Item:
    """One scan of a user's folder: a file, or a DICOM series folder."""

    path: Path
    label: str  # name of its class
    subject: str  # whose it is; all of a subject's items stay in one part of a fold
    site: str | None  # scanner or hospital
    kind: str  # its format, as `bench.data.formats.kind_of` names it
    part: str | None = None  # one of `PARTS` where the folder has an official split


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Classes in the order that numbers have where all `are_numbers`, else in that of the alphabet."""
    names = sorted(set(labels))
    return tuple(sorted(names, key=float) if are_numbers(names) else names)


def are_numbers(labels: Sequence[str]) -> bool:
    """Whether labels are numbers, each another: `1` and `10`, not `nan`, nor `1` and `01`."""
    try:
        values = {float(label) for label in labels}
    except ValueError:
        return False
    return len(values) == len(labels) and all(map(math.isfinite, values))


def official_masks(items: Sequence[Item]) -> dict[str, Any]:
    """`official_test` and `official_validation` for a `Dataset`, bool `[n]`; an empty part is left out."""
    parts = np.array([item.part or "" for item in items])
    masks = {f"official_{part}": parts == part for part in ("test", "validation")}
    return {name: mask for name, mask in masks.items() if mask.any()}


def columns(items: Sequence[Item], classes: tuple[str, ...]) -> dict[str, Any]:
    """What a `Dataset` holds of its samples besides `x`; no sites unless each sample has one."""
    return {
        "y": np.array([classes.index(item.label) for item in items], dtype=np.int64),
        "subjects": np.array([item.subject for item in items]),
        "classes": classes,
        "sites": np.array([item.site for item in items]) if all(item.site for item in items) else None,
        **official_masks(items),
    }


def split_details(items: Sequence[Item]) -> dict[str, str]:
    """The sizes of an official split for a report; empty without one."""
    counts = Counter(item.part for item in items if item.part is not None)
    text = ", ".join(f"{part} {counts[part]}" for part in PARTS if part in counts)
    return {"official split": text} if text else {}
