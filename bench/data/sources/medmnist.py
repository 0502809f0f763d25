"""MedMNIST `.npz` files (Yang et al. 2023, Scientific Data 10:41), with their official split."""

import hashlib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import formats
from bench.data.caches.cached_dataset import ensure, save_dataset
from bench.data.dataset import Dataset, fingerprint
from bench.data.formats.numpy_file import npz_shapes, read_npz
from bench.data.sources import download
from bench.errors import UserError

_PARTS = ("train", "val", "test")
_EXPECTED = "a MedMNIST .npz"
_MOST_CLASSES = 10_000
NOT_OFFICIAL = "another than MedMNIST's of that name, by its MD5"
_SOURCE = "https://zenodo.org/records/10519652/files"


@cache
def known_sets() -> dict[str, dict[str, Any]]:
    """What is known of each set, by name: title, classes, md5 by size, published results."""
    return tomllib.loads((Path(__file__).parent / "medmnist_sets.toml").read_text(encoding="utf-8"))


def set_of(name: str) -> dict[str, Any]:
    """What is known of the set of a file or dataset, such as `pathmnist_64`; empty for one of another name."""
    return known_sets().get(name.split("_")[0], {})


def names() -> tuple[str, ...]:
    """Names of all files that `fetch` knows; those of 28 pixels have no size in theirs."""
    sizes = ((name, size) for name, known in known_sets().items() for size in known["md5"])
    return tuple(name if size == "28" else f"{name}_{size}" for name, size in sizes)


def fetch(name: str, folder: Path, source: str | None = None) -> str:
    """Download a file, out of `names`, from Zenodo (or `source`), verified by the official checksum."""
    md5 = set_of(name)["md5"][name.partition("_")[2] or "28"]
    return download.fetch(f"{(source or _SOURCE).rstrip('/')}/{name}.npz", folder / f"{name}.npz", md5)


def _is_official(file: Path) -> bool:
    """Whether a file of a known name is the very one of MedMNIST; one of another name is not asked."""
    name, _, size = _name(file).partition("_")
    expected = known_sets().get(name, {}).get("md5", {}).get(size or "28")
    with file.open("rb") as content:
        return name not in known_sets() or hashlib.file_digest(content, "md5").hexdigest() == expected


def training_shape(file: Path) -> tuple[int, ...]:
    """Shape `[n, ..., channels]` of the training images, from the header alone.

    Raises UserError: see `load_medmnist`.
    """
    shape = npz_shapes(file, ["train_images"], _EXPECTED)["train_images"]
    return shape if _is_colour(shape) else (*shape, 1)


def cache_medmnist(file: str | Path, cache: str | Path) -> Path:
    """As `load_medmnist`, with `x` in [0, 1], in a cache folder, to be opened as a memory map.

    The 64x64x64 files take 1.7 GB as float32; here only their bytes are in memory, and only once.

    `cache` is the folder of all caches. The one that is returned, for `open_cached`, is named by the file's name,
    size and times of modification and change.
    """
    file = Path(file)
    if not file.is_file():
        found = "a folder" if file.is_dir() else "no file"
        raise UserError(f"DATA={file}: found {found}, expected {_EXPECTED}")
    stat = file.stat()
    key = hashlib.sha256(
        f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}".encode()
    ).hexdigest()
    folder = Path(cache) / f"{_name(file)}-{key[:16]}"
    return ensure(folder, lambda target: save_dataset(load_medmnist(file), target, transform=_scale))


def _name(file: Path) -> str:
    return file.name.removesuffix(".npz").lower()


def read_image(path: Path) -> np.ndarray:
    """Read an image or volume like those of a set, 8 bits in a PNG, JPEG or `.npy`.

    Returns float32 `[..., channels]` in [0, 1]; three channels where a PNG or JPEG has colours.

    Raises UserError: the file cannot be read, or does not have 8 bits.
    """
    found = formats.read(path)
    if found.facts["stored_bits"] != 8:
        raise UserError(f"{path}: found {found.facts['stored_bits']:g} bits; expected 8, as MedMNIST has")
    if found.facts.get("stored_mode", "L") in ("1", "L", "LA"):
        return _scale(found.displayed()[..., None])
    return _scale(np.stack([formats.read(path, colour=colour).array for colour in range(3)], axis=-1))


def _scale(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / np.float32(255)


def load_medmnist(file: Path) -> Dataset:
    """Read a MedMNIST file into memory: `.npz` with `{train,val,test}_{images,labels}`, images uint8.

    Returns a dataset with `x` still uint8, `[n, height, width, channels]` or `[n, depth, height, width, channels]`.
    MedMNIST gives no subject ids; every sample counts as a subject, and the official split is theirs.

    Raises UserError: the file is damaged, an array is missing or misshapen, or labels are several an image.
    """
    wanted = [f"{part}_{what}" for part in _PARTS for what in ("images", "labels")]
    arrays = read_npz(file, wanted, _EXPECTED)
    images = [_images(arrays[f"{part}_images"], file, part) for part in _PARTS]
    labels = [
        _labels(arrays[f"{part}_labels"], len(some), file, part)
        for part, some in zip(_PARTS, images, strict=True)
    ]
    if len({some.shape[1:] for some in images}) > 1:
        shapes = ", ".join("x".join(map(str, some.shape[1:])) for some in images)
        raise UserError(f"{file}: found images of {shapes}, expected one shape in all parts")
    name = _name(file)
    y = np.concatenate(labels)
    n_classes = int(y.max()) + 1
    labelled = tuple(set_of(name).get("classes") or map(str, range(n_classes)))
    if len(labelled) < n_classes or len(labelled) < 2:
        raise UserError(
            f"{file}: found labels up to {n_classes - 1}, expected {len(labelled)} classes, at least 2"
        )
    x = np.concatenate(images)
    part_of = np.repeat(np.arange(3), [len(some) for some in images])
    sizes = [int((part_of == part).sum()) for part in range(3)]
    return Dataset(
        name=name,
        x=x,
        y=y,
        subjects=np.array(
            [f"{part}-{index}" for part, n in zip(_PARTS, sizes, strict=True) for index in range(n)]
        ),
        classes=labelled,
        fingerprint=fingerprint(x, y, part_of),
        provenance=f"MedMNIST, {file.name}: {sizes[0]} training, {sizes[1]} validation and {sizes[2]} test "
        "images of its official split. It names no subjects; each image counts as one.",
        official_test=part_of == 2,
        official_validation=part_of == 1,
        details={
            "official split": " / ".join(map(str, sizes)),
            "size": "x".join(map(str, x.shape[1:])),
            **({} if _is_official(file) else {"file": NOT_OFFICIAL}),
        },
    )


def _is_colour(shape: tuple[int, ...]) -> bool:
    return len(shape) in (4, 5) and shape[-1] == 3


def _images(images: np.ndarray, file: Path, part: str) -> np.ndarray:
    """Return `[n, ..., channels]`."""
    colour = _is_colour(images.shape)
    if not len(images):
        raise UserError(f"{file}: found no images in {part}, expected some")
    if images.dtype != np.uint8 or not (images.ndim in (3, 4) or colour):
        raise UserError(
            f"{file}: found {part}_images of {images.dtype} {images.shape}, expected uint8 "
            "[n, height, width], [n, depth, height, width], or these with 3 colours"
        )
    return images if colour else images[..., None]


def _labels(labels: np.ndarray, n: int, file: Path, part: str) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise UserError(f"{file}: found {labels.shape[1]} labels an image (a multi-label set), expected one")
    flat = labels.reshape(-1)
    whole = len(flat) == n and flat.dtype.kind in "ui"
    if not whole or (n and not 0 <= flat.min() <= flat.max() < _MOST_CLASSES):
        raise UserError(
            f"{file}: found {part}_labels of {labels.dtype} {labels.shape}, expected a whole number from 0 to "
            f"{_MOST_CLASSES - 1} for each of {n} images"
        )
    return flat.astype(np.int64)
