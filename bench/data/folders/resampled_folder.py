"""Resample a user's folder into a cache folder: in parallel, with a progress bar, never all in memory."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.caches.cached_dataset import ensure, replace_folder, sample_digest, seal
from bench.data.caches.content_hashes import hash_all
from bench.data.dataset import Dataset, fingerprint
from bench.data.folders.folder import list_folder
from bench.data.folders.items import Item, columns, in_order, official_masks, split_details
from bench.data.formats import read
from bench.data.formats.listing import first_few
from bench.data.preprocess.grid import Grid, to_grid
from bench.data.processes import cores, map_processes
from bench.errors import UserError

# raise when readers or resampling give other voxels: caches are then made again
READING_VERSION = 4
_MAX_JOBS = 8  # a process takes about 200 MiB for volumes of 240x240x155


def build_cache(
    data: str | Path, grid: Grid, cache: str | Path, *, name: str, classes: Sequence[str] = ()
) -> Path:
    """Bring a user's folder to one grid, once; later calls with the same content and settings find it.

    `data` is a folder as for `list_folder`, `name` that of the dataset, `cache` the folder of all caches,
    `classes` their order, if it is another than `in_order`. The cache's name carries a key of contents, labels and
    settings.

    Returns the cache folder, for `open_cached` and `open_headers`. A build that was killed goes on from the volumes
    that it had finished; a damaged cache is made again.

    Raises UserError: see `list_folder`; or a file's content is damaged, the same content has two labels, or the
    disk is too full.
    """
    data, cache = Path(data), Path(cache)
    items = sorted(list_folder(data), key=lambda item: (item.subject, item.path.as_posix()))
    cache.mkdir(parents=True, exist_ok=True)
    hashes = hash_all([item.path for item in items], cache / "hashes.json", min(_MAX_JOBS, cores()))
    _check_contents(items, hashes)
    classes = tuple(classes) or in_order(item.label for item in items)
    source = data.resolve().name
    folder = cache / f"{name}-{_key(source, items, hashes, classes, grid)}"
    return ensure(folder, lambda target: _build(target, items, classes, grid, source, name))


def _check_contents(items: list[Item], hashes: list[str]) -> None:
    first: dict[str, Item] = {}
    pairs = [(item, first.setdefault(digest, item)) for item, digest in zip(items, hashes, strict=True)]
    contrary = [(item, other) for item, other in pairs if other.label != item.label]
    if contrary:
        item, other = contrary[0]
        more = (
            f"; also {first_few([each.path.name for each, _ in contrary[1:]])}" if len(contrary) > 1 else ""
        )
        raise UserError(
            f"{item.path}: found the very content of {other.path}, labelled {item.label!r} and {other.label!r}, "
            f"expected one label an image{more}"
        )


def _key(source: str, items: list[Item], hashes: list[str], classes: tuple[str, ...], grid: Grid) -> str:
    rows = [
        (digest, item.label, item.subject, item.site, item.kind, *([item.part] if item.part else []))
        for item, digest in zip(items, hashes, strict=True)
    ]
    text = json.dumps([READING_VERSION, source, grid.key(), classes, rows])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _build(
    folder: Path, items: list[Item], classes: tuple[str, ...], grid: Grid, source: str, name: str
) -> None:
    building = folder.with_name(f".{folder.name}.building")
    building.mkdir(exist_ok=True)
    file = building / "x.npy"
    shape = (len(items), *grid.shape, 3 if grid.colours else 1)
    offset = _allocate(file, shape)
    done = _finished(building, shape, offset)
    todo = [n for n in range(len(items)) if n not in done]
    results = map_processes(
        _resample_one,
        [(n, items[n], grid, file, offset) for n in todo],
        workers=min(_MAX_JOBS, cores(), len(todo)),
        description="Reading scans (those finished are kept)",
    )
    with (building / "done").open("a") as log:
        for index, digest, facts in results:
            done[index] = (digest, facts)
            log.write(json.dumps([index, digest, facts]) + "\n")
            log.flush()
    digests = np.array([done[index][0] for index in range(len(items))], dtype=np.uint64)
    own, masks = columns(items, classes), official_masks(items)
    kinds = Counter(item.kind for item in items)
    unit = "pixels" if len(grid.shape) == 2 else "voxels"
    voxels = f"{'x'.join(map(str, grid.shape))} {unit} {grid.view()}"
    dataset = Dataset(
        name=name,
        x=np.load(file, mmap_mode="r"),
        **own,
        fingerprint=fingerprint(
            digests,
            own["y"],
            own["subjects"],
            "|".join(classes),
            *([] if own["sites"] is None else [own["sites"]]),
            *(part for named in masks.items() for part in named),
        ),
        provenance=f"The folder {source}: {len(items)} scans of {len(set(own['subjects']))} subjects "
        f"({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}), resampled linearly to "
        f"{voxels}.",
        details={
            "grid": voxels,
            "antialias": str(grid.antialias),
            "formats": ", ".join(sorted(kinds)),
            **split_details(items),
        },
    )
    seal(building, dataset, digests, [done[index][1] for index in range(len(items))])
    replace_folder(building, folder)
    (folder / "done").unlink()


def _allocate(file: Path, shape: tuple[int, ...]) -> int:
    """Make `x.npy` of the final size, unless an interrupted build left it; return where samples begin."""
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
        if found.shape == shape and found.dtype == np.float32:
            return int(found.offset)
    except Exception:  # whatever a file that was cut off makes its reader raise
        pass
    needed, free = int(np.prod(shape)) * 4, shutil.disk_usage(file.parent).free
    if needed > free:
        raise UserError(
            f"{file.parent}: found {free / 1e9:.1f} GB free, expected {needed / 1e9:.1f} GB for the cache"
        )
    return int(np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape).offset)


def _finished(building: Path, shape: tuple[int, ...], offset: int) -> dict[int, tuple[int, dict[str, Any]]]:
    """Read what an interrupted build finished; a sample counts if its digest still holds."""
    done: dict[int, tuple[int, dict[str, Any]]] = {}
    if not (building / "done").exists():
        return done
    n_bytes = int(np.prod(shape[1:])) * 4
    intact = []
    with (building / "x.npy").open("rb") as file:
        for line in (building / "done").read_text().splitlines():
            try:
                index, digest, facts = json.loads(line)
                sample = np.frombuffer(os.pread(file.fileno(), n_bytes, offset + index * n_bytes), np.float32)
            except ValueError:  # a torn line
                continue
            if int(sample_digest(sample)) == digest:
                done[index] = (digest, facts)
                intact.append(line)
    (building / "done").write_text("".join(f"{line}\n" for line in intact))
    return done


def _resample_one(
    index: int, item: Item, grid: Grid, file: Path, offset: int, _: None
) -> tuple[int, int, dict[str, Any]]:
    """Read, resample and write one sample into its place in `x.npy`; runs in a worker."""
    sample, facts = read_sample(item.path, item.kind, grid)
    handle = os.open(file, os.O_WRONLY)
    try:
        written = os.pwrite(handle, sample.tobytes(), offset + index * sample.nbytes)
        if written != sample.nbytes:
            raise OSError(f"wrote {written} of {sample.nbytes} bytes to {file}")
    finally:
        os.close(handle)
    return index, int(sample_digest(sample)), facts


def read_sample(path: Path, kind: str | None, grid: Grid) -> tuple[np.ndarray, dict[str, Any]]:
    """Read one scan to the grid, float32 `[*grid.shape, channels]`; and what its header says."""
    if not grid.colours:
        volume = read(path, kind)
        return to_grid(volume, grid, path), volume.facts
    volumes = [read(path, kind, colour) for colour in range(3)]
    return np.concatenate([to_grid(volume, grid, path) for volume in volumes], axis=-1), volumes[0].facts
