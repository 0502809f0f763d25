"""A process for one piece of work, without paying for TensorFlow's import each time where that is safe."""

import ctypes
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

# What a piece of work calls once it is prepared: it returns when the work has the machine for itself.
Turn = Callable[[], None]
_PR_SET_PDEATHSIG = 1  # of prctl(2)


class ProcessDied(RuntimeError):
    """A process ended without a result; the text says how."""


class FreshProcess:
    """A process that does one piece of work beside this one.

    With one thread in this process (TensorFlow is imported but has not run anything yet) it is forked, which
    takes milliseconds. With more, a fork could inherit a lock for ever: then the job goes to a new
    `bench.measure.worker`.

    Parameters
    ----------
    work : what it does; its result is JSON-ready. It is handed `turn`, to be called between preparing, which others
        may do at the same time, and what must have the machine for itself: it returns once `result` is asked for.
    job : for a worker, what does the same.
    takes_turns : whether the work calls `turn`. A worker, which cannot be told, then begins with its turn.
    """

    def __init__(
        self, work: Callable[[Turn], dict[str, Any]], job: dict[str, Any], takes_turns: bool = False
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="scanbench-")
        self._result = Path(self._folder.name) / "result.json"
        self._ours: socket.socket | None = None
        if can_fork():
            self._wait = self._fork(work)
        else:
            self._wait = (lambda: self._start(job)()) if takes_turns else self._start(job)

    def wait_until_prepared(self) -> None:
        """Wait until it asks for its turn, or has ended."""
        if self._ours:
            self._ours.recv(1)

    def result(self) -> dict[str, Any]:
        """Give it its turn, wait for it, and return what `work` returned.

        Raises
        ------
        ProcessDied : it ended without a result.
        """
        with self._folder:
            if self._ours:
                with suppress(OSError):  # it has ended
                    self._ours.send(b".")
            status = self._wait()
            if self._ours:
                self._ours.close()
            if self._result.exists():
                return json.loads(self._result.read_text())
        cause = f"killed by signal {-status} (out of memory?)" if status < 0 else f"status {status}"
        raise ProcessDied(f"its process ended: {cause}")

    def _fork(self, work: Callable[[Turn], dict[str, Any]]) -> Callable[[], int]:
        self._ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                die_with_parent()
                self._ours.close()
                self._result.write_text(json.dumps(work(functools.partial(_wait_for_turn, theirs))))
                status = 0
            except BaseException:
                traceback.print_exc()  # the error stream is what is shown of a measurement that failed
            finally:
                os._exit(status)  # No clean-up of the parent's: its buffers and temporary files are not ours.
        theirs.close()
        return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _start(self, job: dict[str, Any]) -> Callable[[], int]:
        description = Path(self._folder.name) / "job.json"
        description.write_text(json.dumps(job))
        command = [sys.executable, "-m", "bench.measure.worker", str(self._result)]
        environment = {**os.environ, **thread_variables(job["threads"])}
        quiet = subprocess.DEVNULL
        with description.open() as given:
            return subprocess.Popen(command, env=environment, stdin=given, stdout=quiet, stderr=quiet).wait


def _wait_for_turn(line: socket.socket) -> None:
    line.send(b".")
    if not line.recv(1):  # nobody is left to give it
        os._exit(1)


def die_with_parent() -> None:
    """Let Linux end this process with the one that started it, even by SIGKILL, or it disturbs what is timed next.

    A thread that waited for that would forbid forking.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def can_fork() -> bool:
    """Say whether a copy of this process could run on."""
    return hasattr(os, "fork") and psutil.Process().num_threads() == 1


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that hold the libraries to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return dict.fromkeys((*names, "TF_NUM_INTEROP_THREADS"), str(threads))
