"""The command in a fork of a process that has imported everything: a kill then costs no ten seconds of imports.

A fork is a process of its own: SIGKILL takes it, its locks and its buffers exactly as it takes a fresh one.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.torture.sweep import Broken, Sweep

_HUNG_SECONDS = 1800.0


def warm_up() -> None:
    """Import what a sweep imports; nothing is computed, so that a fork starts TensorFlow by itself."""
    import keras_tuner  # noqa: F401
    import sklearn.linear_model
    import sklearn.neighbors
    import sklearn.svm  # noqa: F401
    import tensorflow  # noqa: F401

    import bench.commands.main
    import bench.commands.run_sweep
    import bench.worker.execute  # noqa: F401
    import tuning.search  # noqa: F401


def start(sweep: Sweep, prepare: Callable[[], object] = lambda: None) -> int:
    """Start a sweep's command in a fork; returns its process id.

    Parameters
    ----------
    prepare : called in the fork before the command.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _be(sweep, prepare)
    return child


def wait(sweep: Sweep, child: int, kill_after: float | None = None) -> int:
    """Wait for a fork's end, or kill it.

    Parameters
    ----------
    kill_after : seconds of computing until it is sent SIGKILL; None: never. Computing and not waiting, so
        that the moments are spread over its work on a busy machine too.

    Returns
    -------
    Exit status; minus the signal's number if it was killed.
    """
    process = psutil.Process(child)
    deadline = time.monotonic() + _HUNG_SECONDS
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if kill_after is not None and sum(process.cpu_times()[:2]) >= kill_after:
            os.kill(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise Broken(f"{sweep.folder}: hung; its last words:\n{sweep.last_words()}")
        time.sleep(0.01)


def run(sweep: Sweep, kill_after: float | None = None, prepare: Callable[[], object] = lambda: None) -> int:
    """Start a sweep's command in a fork and wait for it; see `start` and `wait`."""
    return wait(sweep, start(sweep, prepare), kill_after)


def computing_seconds() -> float:
    """What the forks that have ended have computed."""
    return sum(os.times()[2:4])


def _be(sweep: Sweep, prepare: Callable[[], object]) -> None:
    """Become the command. Never returns."""
    status = 70
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a fork dies with the torture
        log = os.open(sweep.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _note_pieces(sweep.ran)
        prepare()
        from bench.commands import main

        status = main.main(sweep.arguments())
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _note_pieces(path: Path) -> None:
    """Let every piece that is begun leave its key in a file."""
    from bench.worker import execute

    original = execute.run

    def noted(description):
        with open(path, "a") as file:
            file.write(description["piece"] + "\n")
        return original(description)

    execute.run = noted
