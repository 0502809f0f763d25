"""State files that were cut off or filled with zeros: a sweep starts, says what it dropped, and goes on."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.sweep import journal
from tests.torture import deaths, fork
from tests.torture.parts import KILLED, Row
from tests.torture.sweep import Broken, Sweep

# A trial has ended, the next has a checkpoint; and the last moment, when a refit has left its files.
IN_A_TRIAL = r"^rename to stage-compact-0-\d-1-0.progress, epoch 2: after"
AFTER_A_REFIT = r"^journal, done refit.*: after"


def _zero(path: Path, start: int, end: int) -> None:
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(bytes(end - start))


def _last_line(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    return content.rstrip(b"\n").rfind(b"\n") + 1, len(content)


def _cut_last_line(path: Path) -> None:
    start, end = _last_line(path)
    os.truncate(path, (start + end) // 2)


def _zero_last_line(path: Path) -> None:
    _zero(path, *_last_line(path))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _zeros(path: Path) -> None:
    _zero(path, 0, path.stat().st_size)


_WORK = "runs/digits-*/work"

# What is damaged, how, in which state, and the word that the sweep must say about it.
CASES: tuple[tuple[str, Callable[[Path], None], str, str], ...] = (
    (f"runs/digits-*/{journal.FILE}", _cut_last_line, IN_A_TRIAL, "torn"),
    (f"runs/digits-*/{journal.FILE}", _zero_last_line, IN_A_TRIAL, "torn"),
    (f"{_WORK}/*.npz", _cut, IN_A_TRIAL, "damaged"),
    (f"{_WORK}/*.npz", _zeros, IN_A_TRIAL, "damaged"),
    (f"{_WORK}/*.progress", _zeros, IN_A_TRIAL, ""),
    ("runs/digits-*/predictions/reference*.npz", _zeros, IN_A_TRIAL, "damaged"),
    ("runs/digits-*/predictions/refit*.npz", _cut, AFTER_A_REFIT, "damaged"),
    ("runs/digits-*/models/*", _zeros, AFTER_A_REFIT, "damaged"),
    ("runs/cache/*/x.npy", _zeros, AFTER_A_REFIT, ""),
    ("runs/cache/*/arrays.npz", _cut, AFTER_A_REFIT, ""),
    ("runs/cache/*/meta.json", _zeros, IN_A_TRIAL, ""),
)


def stop_at(sweep: Sweep, label: str) -> Sweep:
    """Run a sweep until it dies at the first place whose label matches."""
    places = deaths.Deaths(sweep.folder / "deaths.txt", sweep.folder, label)
    if fork.run(sweep, prepare=lambda: deaths.install(places)) != KILLED:
        raise Broken(f"{sweep.folder}: never came to {label}; last words:\n{sweep.last_words()}")
    return sweep


def damaged_files(root: Path, tuner: str, expected: dict[str, Any], cases=CASES, **how: Any) -> Row:
    """Damage a file of a sweep that was killed, go on, compare; for each case afresh."""
    started = time.monotonic()
    killed = {
        state: stop_at(Sweep(root / f"{tuner}-state-{place}", tuner, **how), state)
        for place, state in enumerate(dict.fromkeys(case[2] for case in cases))
    }
    for place, (pattern, damage, state, word) in enumerate(cases):
        sweep = Sweep(root / f"{tuner}-damaged-{place}", tuner, **how)
        shutil.copytree(killed[state].folder, sweep.folder, dirs_exist_ok=True)
        sweep.log.unlink()
        (path,) = sorted(sweep.folder.glob(pattern))[:1]
        damage(path)
        status = fork.run(sweep)
        words = sweep.log.read_text()
        if status != 0 or "Traceback" in words:
            raise Broken(f"{path}: damaged, exit status {status}; last words:\n{sweep.last_words()}")
        if word and not any(word in line and path.name in line for line in words.splitlines()):
            raise Broken(f"{path}: damaged, and nothing said; the log:\n{words[:2000]}")
        sweep.compare(expected)
        shutil.rmtree(sweep.folder)
    for sweep in killed.values():
        shutil.rmtree(sweep.folder)
    remark = f"{len(cases)} files cut or filled with zeros"
    return Row("damaged files", tuner, 0, len(cases), time.monotonic() - started, remark)
