"""Content hashes of users' files, remembered, so that a second start does not read gigabytes."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.data.formats.analyze_files import partner_of
from bench.data.formats.dicom_files import files_of

_SETTLED_NS = 2 * 10**9  # a file changed this recently may change again within one tick of its clock


class HashIndex:
    """sha256 of files, trusted as long as path, size and time of modification stay the same.

    Parameters
    ----------
    file : where the index is kept, as JSON; a damaged one is started anew.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, list[int | str]] = {}
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(known, dict):
                self._known = known
        except (OSError, ValueError):
            pass

    def hash_all(
        self, paths: Sequence[Path], jobs: int = 1, advance: Callable[[], None] = lambda: None
    ) -> list[str]:
        """Hash files, or all files of DICOM series folders, in threads (hashing releases the GIL)."""

        def hash_and_advance(path: Path) -> str:
            digest = self.hash_one(path)
            advance()
            return digest

        with ThreadPoolExecutor(max_workers=jobs) as pool:
            digests = list(pool.map(hash_and_advance, paths))
        self._save()
        return digests

    def hash_one(self, path: Path) -> str:
        """Hash a file, the pair of an Analyze file, or a series folder (by names and contents)."""
        parts = parts_of(path)
        if len(parts) == 1 and not path.is_dir():
            return self._of_file(parts[0])
        lines = [f"{part.name} {self._of_file(part)}" for part in parts]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _of_file(self, path: Path) -> str:
        name, stat = str(path.resolve()), path.stat()
        known = self._known.get(name)
        if isinstance(known, list) and len(known) == 3 and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(known[2])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - stat.st_mtime_ns > _SETTLED_NS:
            self._known[name] = [stat.st_size, stat.st_mtime_ns, digest]
        return digest

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self._known), encoding="utf-8")
        os.replace(temporary, self._file)


def parts_of(path: Path) -> list[Path]:
    """The files of a scan: those of a series folder, the pair of an Analyze file, or the file."""
    if path.is_dir():
        return files_of(path)
    partner = partner_of(path)
    return [path] if partner is None else sorted((path, partner))
