"""A process for one piece of work, without paying for TensorFlow's import each time where that is safe."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
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
    takes milliseconds. With more, a fork could inherit a lock for ever: then a new one is spawned.

    `work` is what it does, a function that can be pickled. It is handed `turn`, to be called between preparing,
    which others may do at the same time, and what must have the machine for itself: it returns once `result` is
    asked for.
    """

    def __init__(self, work: Callable[[Turn], dict[str, Any]]) -> None:
        context = get_context("fork" if can_fork() else "spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, self._line, work), daemon=True)  # type: ignore[attr-defined]
        self._process.start()
        theirs.close()

    def wait_until_prepared(self) -> None:
        """Wait until it asks for its turn, or has ended."""
        self._line.poll(None)

    def result(self) -> dict[str, Any]:
        """Give it its turn, wait for it, and return what `work` returned.

        Raises ProcessDied: it ended without a result.
        """
        try:
            with self._line, suppress(EOFError, OSError):
                while (found := self._line.recv()) is None:  # it asks for its turn
                    self._line.send(None)
                return found
        finally:
            self._process.join()
        status = self._process.exitcode
        cause = f"killed by signal {-status} (out of memory?)" if status < 0 else f"status {status}"
        raise ProcessDied(f"its process ended: {cause}")


def _run(line: Connection, others: Connection, work: Callable[[Turn], dict[str, Any]]) -> None:
    die_with_parent()
    others.close()  # the end of who asks, which is gone once that is

    def turn() -> None:
        try:
            line.send(None)
            line.recv()
        except (EOFError, OSError):  # nobody is left to give it
            sys.exit(1)

    line.send(work(turn))


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
