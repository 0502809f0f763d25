"""Worker processes that are killed: while idle, while busy, and with their sweep."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import psutil
import pytest

from bench.sweep import executors
from bench.sweep.executors import Inline, Processes, open_workers

pytestmark = pytest.mark.slow


def pid_of(_: dict) -> dict:
    return {"pid": os.getpid()}


def sleep(_: dict) -> dict:
    time.sleep(60)
    return {}


def wait_until_gone(pid: int) -> None:
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


def test_a_worker_is_kept_and_one_that_died_is_replaced():
    found = Processes([None])
    try:
        first = found.submit(0, pid_of, {}).result()["pid"]
        assert first in {process.pid for process in multiprocessing.active_children()} - {os.getpid()}
        assert found.submit(0, pid_of, {}).result()["pid"] == first
        os.kill(first, signal.SIGKILL)
        wait_until_gone(first)
        time.sleep(0.5)  # its executor notices a moment later
        second = found.submit(0, pid_of, {}).result()["pid"]
        assert second != first
        busy = found.submit(0, sleep, {})
        time.sleep(0.2)
        found.kill(0)
        wait_until_gone(second)
        with pytest.raises(BrokenExecutor):
            busy.result(timeout=10)
    finally:
        found.close()


def test_where_no_socket_can_be_made_workers_are_spawned(monkeypatch):
    def refuse() -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(executors.forkserver, "ensure_running", refuse)
    found = Processes([None])
    try:
        assert found.submit(0, pid_of, {}).result()["pid"] != os.getpid()
    finally:
        found.close()


def test_a_worker_ends_with_its_sweep_even_by_sigkill():
    code = "from bench.sweep.executors import Processes; import os, test_executors, time\n"
    code += "if __name__ == '__main__':\n    w = Processes([None])\n"
    code += "    print(w.submit(0, test_executors.pid_of, {}).result()['pid'], flush=True); time.sleep(60)"
    places = [str(Path(executors.__file__).parents[2]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as sweep:
        assert sweep.stdout is not None
        worker = int(sweep.stdout.readline())
        sweep.kill()
        sweep.wait()
    wait_until_gone(worker)


def test_work_in_this_process_hands_back_exceptions_and_lets_interrupts_through():
    workers = open_workers(0, None)
    assert isinstance(workers, Inline)
    assert workers.submit(0, lambda given: given, {"a": 1}).result() == {"a": 1}
    assert isinstance(workers.submit(0, lambda given: given["b"], {}).exception(), KeyError)

    def interrupted(_: dict) -> dict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers.submit(0, interrupted, {})
    workers.close()


def leave_a_mark(description: dict) -> dict:
    Path(description["path"]).touch()
    return {}


def test_a_worker_that_still_starts_is_ended_too(tmp_path, monkeypatch):
    """A piece that it had been given would be trained beside the next sweep, by nobody's leave."""
    monkeypatch.setattr(executors, "_fork_server", lambda: multiprocessing.get_context("spawn"))
    found = Processes([None])
    found.submit(0, leave_a_mark, {"path": str(tmp_path / "began")})
    started = [process for process in multiprocessing.active_children() if process.is_alive()]
    found.close()
    for process in started:
        wait_until_gone(process.pid)
    assert not (tmp_path / "began").exists()
