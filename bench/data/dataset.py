"""What every task works on: arrays with labels, subjects and an account of where they came from."""

import hashlib
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Images of subjects, with labels.

    Attributes
    ----------
    name : short name, as it stands in reports (`usps`, `digits-standin`).
    x : float32 `[n, ...]`, channels last: `[n, height, width, channels]` for images,
        `[n, depth, height, width, 1]` for volumes. May be a memory map.
    y : int64 `[n]`, an index into `classes`.
    subjects : str `[n]`; samples of one subject are never divided between parts of a fold.
    classes : names of the classes, in order.
    fingerprint : hex digest of the content; see `fingerprint`.
    provenance : where the data came from, in a sentence or two, for the report.
    sites : str `[n]` or None: scanner or hospital.
    official_test : bool `[n]` or None: the samples of a published test split, never trained on.
    official_validation : bool `[n]` or None: the same for a published validation split.
    stand_in : True if these are generated or substituted data; the report says so.
    details : facts for the report, name to text (voxel size, sizes of splits).
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    subjects: np.ndarray
    classes: tuple[str, ...]
    fingerprint: str
    provenance: str
    sites: np.ndarray | None = None
    official_test: np.ndarray | None = None
    official_validation: np.ndarray | None = None
    stand_in: bool = False
    details: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.x)
        for name in ("y", "subjects", "sites", "official_test", "official_validation"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise ValueError(f"{name} has {len(value)} entries, x has {n}")
        if "/" in self.name:
            raise ValueError(f"the dataset's name {self.name!r} has a slash")
        if np.asarray(self.y).dtype.kind not in "iu":
            raise TypeError(f"y is of {np.asarray(self.y).dtype}, not of whole numbers")
        if n and not (int(self.y.min()) >= 0 and int(self.y.max()) < len(self.classes)):
            raise ValueError(f"y outside 0..{len(self.classes) - 1}")


def fingerprint(*parts: np.ndarray | str | bytes) -> str:
    """Hash content to 16 hex digits: arrays by dtype, shape and bytes, texts by UTF-8."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:16]
