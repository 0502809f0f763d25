"""A process for one piece of work, without paying for TensorFlow's import each time where that is safe."""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil


class ProcessDied(RuntimeError):
    """A process ended without a result; the text says how."""


class FreshProcess:
    """A process that does one piece of work beside this one.

    With one thread in this process (TensorFlow is imported but has not run anything yet) it is forked, which
    takes milliseconds. With more, a fork could inherit a lock for ever: then the job goes to a new
    `bench.measure.worker`.

    Parameters
    ----------
    work : what it does; its result is JSON-ready.
    job : for a worker, what does the same.
    """

    def __init__(self, work: Callable[[], dict[str, Any]], job: dict[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="scanbench-")
        self._result = Path(self._folder.name) / "result.json"
        self._wait = self._fork(work) if can_fork() else self._start(job)

    def result(self) -> dict[str, Any]:
        """Wait for it, and return what `work` returned.

        Raises
        ------
        ProcessDied : it ended without a result.
        """
        with self._folder:
            status = self._wait()
            if self._result.exists():
                return json.loads(self._result.read_text())
        cause = f"killed by signal {-status} (out of memory?)" if status < 0 else f"status {status}"
        raise ProcessDied(f"its process ended: {cause}")

    def _fork(self, work: Callable[[], dict[str, Any]]) -> Callable[[], int]:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                self._result.write_text(json.dumps(work()))
                status = 0
            except BaseException:
                traceback.print_exc()  # the error stream is what is shown of a measurement that failed
            finally:
                os._exit(status)  # No clean-up of the parent's: its buffers and temporary files are not ours.
        return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _start(self, job: dict[str, Any]) -> Callable[[], int]:
        description = Path(self._folder.name) / "job.json"
        description.write_text(json.dumps({**job, "alone": True}))
        command = [sys.executable, "-m", "bench.measure.worker", str(self._result)]
        environment = {**os.environ, **thread_variables(job["threads"])}
        quiet = subprocess.DEVNULL
        with description.open() as given:
            return subprocess.Popen(command, env=environment, stdin=given, stdout=quiet, stderr=quiet).wait


def can_fork() -> bool:
    """Say whether a copy of this process could run on."""
    return hasattr(os, "fork") and psutil.Process().num_threads() == 1


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that hold the libraries to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return dict.fromkeys((*names, "TF_NUM_INTEROP_THREADS"), str(threads))


def isolated(work: Callable[[], dict[str, Any]], job: dict[str, Any]) -> dict[str, Any]:
    """Do the work on the single entry of a job in a process of its own.

    Returns
    -------
    What `work` returned; where its process died, `status` `failed` and the reason.
    """
    if len(job["entries"]) != 1:
        raise ValueError(f"a job for one process has one entry, got {len(job['entries'])}")
    forked = can_fork()
    if job.get("alone") and not forked:  # this is that process
        return work()
    try:
        found = FreshProcess(work, job).result()
    except ProcessDied as error:
        return {"status": "failed", "reason": str(error)}
    return found if forked else next(iter(found.values()))
