"""A process for one piece of work, without paying for TensorFlow's import each time where that is safe."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil


def isolated(work: Callable[[], dict[str, Any]], job: dict[str, Any]) -> dict[str, Any]:
    """Do `work` in a process of its own and return its JSON-ready result.

    With one thread in this process (TensorFlow is imported but has not run anything yet) the process is
    forked, which takes milliseconds. With more, a fork could inherit a lock for ever: then `job`, which
    must hold a single entry, goes to a new `bench.measure.worker`.

    Returns
    -------
    What `work` returned; where its process died, `status` `failed` and the reason.
    """
    if len(job["entries"]) != 1:
        raise ValueError(f"a job for one process has one entry, got {len(job['entries'])}")
    with tempfile.TemporaryDirectory(prefix="scanbench-") as folder:
        result = Path(folder) / "result.json"
        if hasattr(os, "fork") and psutil.Process().num_threads() == 1:
            status = _fork(work, result)
            return json.loads(result.read_text()) if result.exists() else _died(status)
        if job.get("alone"):
            return work()
        description = Path(folder) / "job.json"
        description.write_text(json.dumps({**job, "alone": True}))
        command = [sys.executable, "-m", "bench.measure.worker", str(description), str(result)]
        status = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        if not result.exists():
            return _died(status)
        [(_, found)] = json.loads(result.read_text()).items()
        return found


def _fork(work: Callable[[], dict[str, Any]], result: Path) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            result.write_text(json.dumps(work()))
            status = 0
        finally:
            os._exit(status)  # No clean-up of the parent's: its buffers and temporary files are not ours.
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _died(status: int) -> dict[str, Any]:
    cause = f"killed by signal {-status} (out of memory?)" if status < 0 else f"status {status}"
    return {"status": "failed", "reason": f"its process ended: {cause}"}
