"""Processes that work on data: in order, gone with their parent, and missed when they are killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import bench
from bench.data.processes import cores, map_processes, worker_pool
from bench.errors import UserError


def shifted(number: int, shared: int) -> int:
    time.sleep(0.02 * (number % 3))
    return number + shared


def pid_or_sleep(seconds: float, shared: None) -> int:
    time.sleep(seconds)
    return os.getpid()


def die_at_third(number: int, shared: None) -> int:
    if number == 3:
        os._exit(9)
    return number


def _is_gone(pid: int) -> bool:
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    calls = [(number,) for number in range(20)]
    found = map_processes(shifted, calls, workers=workers, description="Adding", shared=100)
    assert list(found) == list(range(100, 120))


@pytest.mark.parametrize("busy", [False, True])
def test_processes_end_with_a_parent_that_is_killed(busy):
    seconds = [0.5, 0.5, 60.0, 60.0] if busy else [0.5, 0.5]
    code = (
        "import time, test_processes\n"
        "from bench.data.processes import map_processes\n"
        "if __name__ == '__main__':\n"
        f"    calls = [(number,) for number in {seconds}]\n"
        "    work = {'workers': 2, 'description': 'Waiting'}\n"
        "    for pid in map_processes(test_processes.pid_or_sleep, calls, **work):\n"
        "        print(pid, flush=True)\n"
        f"        time.sleep({0 if busy else 2})\n"
        "    time.sleep(60)"
    )
    places = [str(Path(bench.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pids = {int(parent.stdout.readline()) for _ in range(2)}
        time.sleep(0.2)
        assert all(psutil.pid_exists(pid) for pid in pids)
        parent.kill()
        parent.wait()
    assert all(_is_gone(pid) for pid in pids)


def test_a_process_that_is_killed_is_one_clear_line():
    calls = [(number,) for number in range(20)]
    with pytest.raises(UserError) as caught:
        list(map_processes(die_at_third, calls, workers=2, description="Generating brains"))
    assert str(caught.value) == (
        "Generating brains: found one of 2 processes killed, expected enough memory for all of them"
    )


def test_errors_of_the_work_are_handed_on_and_the_rest_is_taken_back():
    with worker_pool(1, "Dividing") as pool:
        futures = [pool.submit(divmod, 1, 0)] + [pool.submit(time.sleep, 0.2) for _ in range(50)]
        with pytest.raises(ZeroDivisionError):
            futures[0].result()
    assert sum(future.cancelled() for future in futures) > 40


def test_cores_are_those_of_the_process(monkeypatch):
    """In a container or a job they are not all that the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert cores() == 2
