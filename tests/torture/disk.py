"""A full disk, a read-only run folder, a second sweep in the same one: one clear line, nothing damaged."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.torture import fork
from tests.torture.damage import AFTER_A_REFIT, IN_A_TRIAL, stop_at
from tests.torture.parts import Row
from tests.torture.sweep import Broken, Sweep

USER_ERROR = 2
_PAGE = 4096
ROOM = (0, 1, 2, 4, 8, 16, 24, 32)  # free pages: each lets a sweep come a little further


@contextlib.contextmanager
def small_disk(folder: Path, size: int = 64 * 2**20) -> Iterator[None]:
    """Mount a small file system in memory.

    Raises
    ------
    PermissionError : this process may not mount.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "torture", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def _mount(*words: str) -> None:
    try:
        found = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PermissionError("no command `mount`") from None
    if found.returncode:
        raise PermissionError(found.stderr.strip() or "mount: not permitted")


def refused(sweep: Sweep, *words: str) -> None:
    """Assert that a call ended with status 2 and one line that says why."""
    sweep.log.unlink(missing_ok=True)
    status = fork.run(sweep)
    lines = [line for line in sweep.log.read_text().splitlines() if line.startswith("scanbench: ")]
    text = sweep.log.read_text()
    if status != USER_ERROR or len(lines) != 1 or "Traceback" in text:
        raise Broken(f"{sweep.folder}: exit status {status}, {len(lines)} lines; the log:\n{text[-2000:]}")
    if not all(word in lines[0] for word in words):
        raise Broken(f"{sweep.folder}: said {lines[0]!r}; expected {words}")


def full_disk(root: Path, tuner: str, expected: dict[str, Any], rooms=ROOM, **how: Any) -> Row:
    """Fill the disk up at several moments; then make room and go on."""
    started, refusals = time.monotonic(), 0
    sweep = Sweep(root / f"{tuner}-full", tuner, **how)
    with small_disk(sweep.folder / "runs"):
        stop_at(sweep, IN_A_TRIAL)
        sweep.check()
        ballast = sweep.folder / "runs" / "ballast"
        for room in rooms:
            _fill(ballast, room * _PAGE)
            refused(sweep, str(sweep.folder), "space")
            refusals += 1
            sweep.check()
            ballast.unlink()
        _go_on(sweep, expected)
    shutil.rmtree(sweep.folder)
    return Row("full disk", tuner, 0, 1, time.monotonic() - started, f"{refusals} refusals, one line each")


def full_from_the_start(root: Path, tuner: str, expected: dict[str, Any], **how: Any) -> Row:
    """Start on a disk that is too small for the dataset; then on one with room."""
    started = time.monotonic()
    sweep = Sweep(root / f"{tuner}-small", tuner, **how)
    with small_disk(sweep.folder / "runs", 20 * 2**20):
        ballast = sweep.folder / "runs" / "ballast"
        for room in (0, 100 * _PAGE):
            _fill(ballast, room)
            refused(sweep, str(sweep.folder), "space")
            ballast.unlink()
        _go_on(sweep, expected)
    shutil.rmtree(sweep.folder)
    return Row("full disk, new folder", tuner, 0, 1, time.monotonic() - started, "2 refusals, one line each")


def _fill(ballast: Path, room: int) -> None:
    """Take all space but `room` bytes."""
    free = os.statvfs(ballast.parent)
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - room, 1))


def read_only(root: Path, tuner: str, expected: dict[str, Any], **how: Any) -> Row:
    """Make the file system read-only between two calls; then writable again."""
    started = time.monotonic()
    sweep = Sweep(root / f"{tuner}-read-only", tuner, **how)
    runs = sweep.folder / "runs"
    with small_disk(runs):
        _mount("-o", "remount,ro", str(runs))
        refused(sweep, "ead-only")
        _mount("-o", "remount,rw", str(runs))
        stop_at(sweep, AFTER_A_REFIT)
        sweep.check()
        _mount("-o", "remount,ro", str(runs))
        refused(sweep, "ead-only")
        _mount("-o", "remount,rw", str(runs))
        _go_on(sweep, expected)
    shutil.rmtree(sweep.folder)
    return Row("read-only folder", tuner, 0, 1, time.monotonic() - started, "2 refusals, one line each")


def second_sweep(root: Path, tuner: str, expected: dict[str, Any], **how: Any) -> Row:
    """Start a second sweep in a run folder that is in use; the first must not notice."""
    started = time.monotonic()
    first = Sweep(root / f"{tuner}-two", tuner, **how)
    second = Sweep(first.folder / "second", tuner, extra=("--runs", str(first.folder / "runs")), **how)
    child = fork.start(first)
    while not first.events():
        time.sleep(0.05)
    refused(second, "in use by process", str(child))
    status = fork.wait(first, child)
    if status != 0:
        raise Broken(f"{first.folder}: exit status {status}; its last words:\n{first.last_words()}")
    first.check()
    first.compare(expected)
    shutil.rmtree(first.folder)
    return Row("a second sweep", tuner, 0, 2, time.monotonic() - started, "refused, its holder named")


def _go_on(sweep: Sweep, expected: dict[str, Any]) -> None:
    status = fork.run(sweep)
    if status != 0 or not sweep.finished():
        raise Broken(f"{sweep.folder}: going on: status {status}; last words:\n{sweep.last_words()}")
    sweep.check()
    sweep.compare(expected)
