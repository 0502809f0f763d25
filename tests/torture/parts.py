"""The parts of the torture, each a function that runs sweeps, kills them, and counts."""

import contextlib
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.torture import deaths, fork
from tests.torture.sweep import Broken, Sweep

KILLED = -signal.SIGKILL


@dataclass
class Row:
    """A line of the summary."""

    part: str
    tuner: str
    kills: int
    sweeps: int
    seconds: float
    remark: str = ""


def uninterrupted(sweep: Sweep) -> tuple[dict[str, Any], float]:
    """Run a sweep through; returns its outcome and the seconds that it computed."""
    before = fork.computing_seconds()
    _finish(sweep)
    return sweep.outcome(), fork.computing_seconds() - before


def _finish(sweep: Sweep) -> None:
    status = fork.run(sweep)
    if status != 0 or not sweep.finished():
        raise Broken(f"{sweep.folder}: exit status {status}; its last words:\n{sweep.last_words()}")


def random_moments(
    root: Path, tuner: str, kills: int, expected: dict[str, Any], span: float, rng: random.Random, **how: Any
) -> Row:
    """Kill sweeps at random moments of their life, until there were enough kills; then let the last finish.

    Parameters
    ----------
    span : what an uninterrupted sweep computes, in seconds; a call is killed after a random part of that.
    """
    started, killed, sweeps, early = time.monotonic(), 0, 0, 0
    while killed < kills:
        sweep = Sweep(root / f"{tuner}-random-{sweeps}", tuner, **how)
        sweeps += 1
        while killed < kills and not sweep.finished():
            before = len(sweep.events())
            status = fork.run(sweep, rng.uniform(0.0, 0.9 * span))
            if status not in (0, KILLED):
                raise Broken(f"{sweep.folder}: exit status {status}; last words:\n{sweep.last_words()}")
            killed += status == KILLED
            early += status == KILLED and len(sweep.events()) == before
            sweep.check()
        _finish(sweep)
        sweep.check()
        sweep.compare(expected)
        shutil.rmtree(sweep.folder)
    return Row(
        "random moments", tuner, killed, sweeps, time.monotonic() - started, f"{early} recorded nothing"
    )


def every_write(
    root: Path, tuner: str, expected: dict[str, Any], allowed: str = "", stride: int = 1, **how: Any
) -> Row:
    """Let a sweep die once at every write; each call goes on from where the one before it died."""
    started, killed = time.monotonic(), 0
    sweep = Sweep(root / f"{tuner}-writes", tuner, **how)
    record = sweep.folder / "deaths.txt"

    def prepare() -> None:
        deaths.install(deaths.Deaths(record, sweep.folder, allowed, stride))

    while (status := fork.run(sweep, prepare=prepare)) == KILLED:
        killed += 1
        sweep.check()
    if status != 0 or not killed:
        raise Broken(f"{sweep.folder}: exit status {status}; its last words:\n{sweep.last_words()}")
    sweep.check()
    sweep.compare(expected)
    remark = allowed or "journal, checkpoints, notes, predictions, model, cache, report"
    if stride > 1:
        remark += f", one in {stride}"
    shutil.rmtree(sweep.folder)
    return Row("each write", tuner, killed, 1, time.monotonic() - started, remark)


def workers(
    root: Path, tuner: str, kills: int, expected: dict[str, Any], rng: random.Random, **how: Any
) -> Row:
    """Kill random worker processes of sweeps with two, at random moments; no sweep may end by that."""
    started, killed, sweeps, lost = time.monotonic(), 0, 0, 0
    while killed < kills:
        sweep = Sweep(root / f"{tuner}-workers-{sweeps}", tuner, workers=2, **how)
        sweeps += 1
        with open(sweep.log, "a") as log, _command(sweep, log) as process:
            try:
                while process.poll() is None:
                    _wait(process, rng.uniform(0.2, 4.0))
                    victims = worker_processes(process.pid)
                    # A piece that has cost two workers is left alone: the third would be its last.
                    if killed < kills and victims and sweep.unsettled_losses() < 2:
                        _kill(rng.choice(victims))
                        killed += 1
                        _wait(process, 1.0)
                        sweep.check()
            finally:
                if process.poll() is None:
                    process.kill()
        if process.returncode != 0:
            raise Broken(f"{sweep.folder}: status {process.returncode}; last words:\n{sweep.last_words()}")
        sweep.check()
        sweep.compare(expected)
        lost += sum(event["event"] == "lost" for event in sweep.events())
        shutil.rmtree(sweep.folder)
    return Row("workers", tuner, killed, sweeps, time.monotonic() - started, f"{lost} of them over a piece")


def whole_sweep_with_workers(
    root: Path, tuner: str, kills: int, expected: dict[str, Any], rng: random.Random, **how: Any
) -> Row:
    """Kill the sweep itself while two workers work for it: they must end too, and the next one goes on."""
    started, killed = time.monotonic(), 0
    sweep = Sweep(root / f"{tuner}-parent", tuner, workers=2, **how)
    while True:
        with open(sweep.log, "a") as log, _command(sweep, log) as process:
            while killed < kills and process.poll() is None and not worker_processes(process.pid):
                time.sleep(0.1)
            if killed < kills and process.poll() is None:
                _wait(process, rng.uniform(0.0, 15.0))
                orphans = worker_processes(process.pid)
                process.kill()
                killed += 1
                _, alive = psutil.wait_procs(orphans, timeout=20)
                if alive:
                    raise Broken(f"{sweep.folder}: workers outlive their sweep: {alive}")
            process.wait()
        sweep.check()
        if process.returncode == 0:
            break
        if process.returncode != KILLED:
            raise Broken(f"{sweep.folder}: status {process.returncode}; last words:\n{sweep.last_words()}")
    sweep.compare(expected)
    shutil.rmtree(sweep.folder)
    return Row("sweep with workers", tuner, killed, 1, time.monotonic() - started, "no worker left behind")


def _command(sweep: Sweep, log) -> subprocess.Popen:
    return subprocess.Popen(sweep.command(), stdout=log, stderr=log)


def _wait(process: subprocess.Popen, seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def worker_processes(pid: int) -> list[psutil.Process]:
    """Worker processes of a sweep, which the process it keeps for that has forked."""
    found = []
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            if "multiprocessing.forkserver" in " ".join(process.cmdline()) and process.ppid() != pid:
                found.append(process)
    return found


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
