"""Datasets on disk: written whole or not at all, opened as a memory map, damage noticed.

A cache folder holds `x.npy` (float32), `arrays.npz` (everything else that has an entry a sample, and a
digest of each sample of `x`), `headers.json` (header facts of each sample, where there are any) and
`meta.json`, which is written last and vouches for the others. Every worker process opens its datasets
from such a folder; arrays are never sent to it.
"""

import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from bench.data.caches.memory_maps import blocks, release
from bench.data.caches.scratch_folder import exclusive, remove_abandoned, workplace
from bench.data.dataset import Dataset
from tuning import durable

_FORMAT = 1
_FACTS = ("name", "classes", "fingerprint", "provenance", "stand_in", "details")
SAMPLE_ARRAYS = ("y", "subjects", "sites", "official_test", "official_validation")


class DamagedCacheError(Exception):
    """A cache folder is not what was written: make it again. `cached` and `build_cache` do."""


def sample_digest(sample: np.ndarray) -> np.uint64:
    """Hash one float32 sample to 64 bits; enough to notice damage, not meant against forgery."""
    data = np.ascontiguousarray(sample, dtype=np.float32)
    return np.uint64(int.from_bytes(hashlib.blake2b(data.data, digest_size=8).digest(), "little"))


def save_dataset(
    dataset: Dataset,
    folder: Path,
    *,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
    headers: list[dict[str, Any]] | None = None,
) -> None:
    """Write a dataset as a cache folder, in place of one that may be there; atomic.

    `x` is written as float32, block by block, so a memory map stays on disk; `transform` is applied to blocks
    `[m, ...]`, for arrays kept in a smaller type in memory, or to be prepared. `headers` are facts of each sample's
    header, to be read by `open_headers`.
    """
    folder, transform = Path(folder), transform or np.asarray
    folder.parent.mkdir(parents=True, exist_ok=True)
    with workplace(folder) as place:
        building = place / "new"
        building.mkdir()
        shape = (len(dataset.x), *transform(np.asarray(dataset.x[:1])).shape[1:])
        x = np.lib.format.open_memmap(building / "x.npy", mode="w+", dtype=np.float32, shape=shape)
        digests = np.zeros(len(x), dtype=np.uint64)
        # written as a file: pages of a memory map would count as this process' memory
        with (building / "x.npy").open("r+b") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is an error at once
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
            file.seek(x.offset)
            for block in blocks(x):
                values = np.ascontiguousarray(transform(np.asarray(dataset.x[block])), dtype=np.float32)
                file.write(values.data)
                digests[block] = [sample_digest(sample) for sample in values]
                release(dataset.x)
        del x
        seal(building, dataset, digests, headers)
        replace_folder(building, folder)


def seal(
    folder: Path, dataset: Dataset, digests: np.ndarray, headers: list[dict[str, Any]] | None = None
) -> None:
    """Write all of a dataset but `x`, which must be in place, and finish with `meta.json`."""
    arrays = {name: getattr(dataset, name) for name in SAMPLE_ARRAYS if getattr(dataset, name) is not None}
    for name in ("subjects", "sites"):
        if name in arrays:
            arrays[name] = np.asarray(arrays[name]).astype(str)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, x_digests=digests, **arrays)
    _write_synced(folder / "arrays.npz", buffer.getvalue())
    facts = json.dumps(headers or []).encode()
    _write_synced(folder / "headers.json", facts)
    durable.sync(folder / "x.npy")
    stat = (folder / "x.npy").stat()
    meta = {
        "format": _FORMAT,
        **{name: getattr(dataset, name) for name in _FACTS},
        "x_bytes": stat.st_size,
        "arrays_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "headers_sha256": hashlib.sha256(facts).hexdigest(),
    }
    _write_synced(folder / "checked.json", json.dumps({"x_mtime_ns": stat.st_mtime_ns}).encode())
    text = json.dumps(meta, indent=1)
    check = hashlib.sha256(text.encode()).hexdigest()
    _write_synced(folder / "meta.json", f"{text}\n{check}\n".encode())


def open_cached(folder: Path) -> Dataset:
    """Open a cache folder; `x` is a read-only memory map.

    Every sample is checked against its digest where `x.npy` has changed since it was last checked (by its
    time of modification); that reads all of it once.

    Raises DamagedCacheError: something is missing, torn, or not as it was written.
    """
    folder = Path(folder)
    meta = _read_meta(folder)
    content = _read_checked(folder / "arrays.npz", meta["arrays_sha256"])
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    try:
        size = (folder / "x.npy").stat().st_size
        x = np.load(folder / "x.npy", mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy parses a header as Python: torn, it raises half a dozen kinds
        raise DamagedCacheError(f"{folder / 'x.npy'}: {error}") from error
    digests = arrays.pop("x_digests")
    if size != meta["x_bytes"] or len(x) != len(digests) or x.dtype != np.float32:
        raise DamagedCacheError(f"{folder / 'x.npy'}: {size} bytes, {meta['x_bytes']} were written")
    if not _already_checked(folder):
        _check_samples(folder, x, digests)
    facts = {name: meta[name] for name in _FACTS}
    return Dataset(x=x, **{**facts, "classes": tuple(meta["classes"])}, **arrays)


def open_headers(folder: Path) -> list[dict[str, Any]]:
    """Read the header facts of each sample (`Volume.facts`); empty where the dataset has none."""
    facts = _read_checked(Path(folder) / "headers.json", _read_meta(Path(folder))["headers_sha256"])
    return list(json.loads(facts))


def ensure(folder: Path, save: Callable[[Path], None], *, wait: bool = True) -> Path:
    """Make a cache folder with `save` unless it is there and whole; return it.

    Of several processes that want it, one makes it and the others wait, or go on without it where they do not
    `wait`. One that is there and damaged is made again, and standard error says so. What processes that were
    killed have left beside it is removed.
    """
    remove_abandoned(folder.parent)
    if _damage(folder) is None:  # without a lock, so that a cache without write permission can be read
        return folder
    durable.make_folder(folder.parent)
    with suppress(Timeout), FileLock(folder.with_name(f".{folder.name}.lock"), timeout=-1 if wait else 0):
        damage = _damage(folder)  # another may have made it since
        if damage is not None:
            if folder.exists():
                print(f"damaged, and made again: {damage}", file=sys.stderr)
            save(folder)
    return folder


def _damage(folder: Path) -> DamagedCacheError | None:
    try:
        open_cached(folder)
    except DamagedCacheError as error:
        return error
    return None


def replace_folder(new: Path, folder: Path) -> None:
    """Rename a finished folder into place; memory maps of an older one stay valid until closed."""
    with workplace(folder) as place, exclusive(folder.parent):
        if folder.exists():
            os.replace(folder, place / "old")
        durable.replace(new, folder)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_checked(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedCacheError(f"{path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedCacheError(f"{path}: content differs from what was written")
    return content


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        text, _, check = (folder / "meta.json").read_text(encoding="utf-8").strip().rpartition("\n")
        meta = json.loads(text)
    except (OSError, ValueError) as error:
        raise DamagedCacheError(f"{folder / 'meta.json'}: {error}") from error
    if hashlib.sha256(text.encode()).hexdigest() != check or meta.get("format") != _FORMAT:
        raise DamagedCacheError(f"{folder / 'meta.json'}: content differs from what was written")
    return dict(meta)


def _already_checked(folder: Path) -> bool:
    try:
        checked = json.loads((folder / "checked.json").read_bytes())
        return bool(checked["x_mtime_ns"] == (folder / "x.npy").stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _check_samples(folder: Path, x: np.memmap, digests: np.ndarray) -> None:
    modified = (folder / "x.npy").stat().st_mtime_ns
    size = int(np.prod(x.shape[1:]))
    with (folder / "x.npy").open("rb") as file:
        file.seek(x.offset)
        for block in blocks(x):
            samples = np.fromfile(file, np.float32, size * len(digests[block])).reshape(-1, size)
            found = np.array([sample_digest(sample) for sample in samples], dtype=np.uint64)
            if not np.array_equal(found, digests[block]):
                raise DamagedCacheError(f"{folder / 'x.npy'}: content differs from what was written")
    with suppress(OSError):  # a folder without write permission is checked again at the next start
        durable.write(folder / "checked.json", json.dumps({"x_mtime_ns": modified}))
