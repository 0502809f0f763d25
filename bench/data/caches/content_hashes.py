"""Content hashes of users' files, remembered, so that a second start does not read gigabytes."""

import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench.data.formats.listing import parts_of
from tuning import durable

_SETTLED_NS = 2 * 10**9  # a file changed this recently may change again within one tick of its clock


def hash_all(paths: Sequence[Path], index: Path, threads: int = 1) -> list[str]:
    """sha256 of scans: of a file, of the pair of an Analyze file, or of a series folder (by names and contents).

    They are kept in `index`, as JSON; each is trusted as long as path, size and times of modification and of change
    stay the same. A damaged index is started anew. It takes several `threads`, since hashing releases the GIL.
    """
    try:
        known = dict(json.loads(index.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    with ThreadPoolExecutor(threads) as pool, Progress(transient=True, console=Console(stderr=True)) as bar:
        found = pool.map(lambda path: _hash(path, known), paths)
        digests = list(bar.track(found, total=len(paths), description="Reading hashes"))
    durable.write(index, json.dumps(known))
    return digests


def _hash(path: Path, known: dict[str, list[Any]]) -> str:
    parts = parts_of(path)
    if len(parts) == 1 and not path.is_dir():
        return _hash_file(path, known)
    lines = [f"{part.name} {_hash_file(part, known)}" for part in parts]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _hash_file(path: Path, known: dict[str, list[Any]]) -> str:
    name, stat = str(path.resolve()), path.stat()
    # The time of change too: a copy that keeps another file's time of modification has a new one.
    now = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    *before, digest = known.get(name, [""])
    if before == now:
        return str(digest)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if time.time_ns() - stat.st_ctime_ns > _SETTLED_NS:
        known[name] = [*now, digest]
    return str(digest)
