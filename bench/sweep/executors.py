"""Who does the work, behind `concurrent.futures`: this process or worker processes; a cluster: `cluster.py`."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from multiprocessing import forkserver, get_context
from multiprocessing.context import BaseContext
from typing import Any

from bench.data.processes import cores, end_with_parent
from bench.sweep import devices


class Workers:
    """A number of slots, each of which does one piece at a time."""

    slots: int
    # Whether a submitted piece may have to wait for a worker, so that its silence means nothing.
    queues = False

    def submit(self, slot: int, function: Callable[[dict], dict], description: dict) -> Future:
        raise NotImplementedError

    def kill(self, slot: int, worker: str | None = None) -> None:
        """End what a slot does, if that can be done; `worker` is what its progress says of who does it."""

    def is_anybody_there(self) -> bool:
        """Whether there is a worker, or one can be started."""
        return True

    def wait_until_started(self) -> None:
        """Wait until no worker is starting, so that none disturbs what is timed."""

    def close(self) -> None:
        raise NotImplementedError


class Inline(Workers):
    """One slot in this process (`WORKERS=0`): for debugging; a crash takes the sweep along."""

    slots = 1

    def __init__(self) -> None:
        from tuning import runtime

        self._held = [devices.hold(gpu) for gpu in devices.gpus()[:1]]
        runtime.configure()

    def submit(self, slot: int, function: Callable[[dict], dict], description: dict) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(description))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        for lock in self._held:
            lock.release()


class Processes(Workers):
    """Worker processes, each an executor of its own, so that the death of one is the loss of one.

    A worker lives for the whole sweep and keeps its programs. It trains on one thread (see `tuning.runtime`),
    ignores the keyboard's interrupt, and ends when its sweep does, even by SIGKILL.

    `gpus`: of each worker, the only one that it sees, or None, a processor (see `devices.for_workers`).

    Raises UserError: another sweep of this machine has one of the GPUs.
    """

    def __init__(self, gpus: Sequence[str | None]) -> None:
        self.slots = len(gpus)
        self._gpus = gpus
        self._held = [devices.hold(gpu) for gpu in dict.fromkeys(gpus) if gpu is not None]
        self._executors: list[ProcessPoolExecutor | None] = [None] * self.slots
        self._pids: list[Future | None] = [None] * self.slots
        self._context: BaseContext = get_context("spawn")
        if sys.platform == "linux" and not self._held:  # to fork is not safe everywhere
            with suppress(OSError):  # a TMPDIR too long for a socket
                self._context = _fork_server()
        if self._context.get_start_method() == "spawn":  # each imports TensorFlow itself, and begins now
            for slot in range(self.slots):
                self._start(slot)

    def submit(self, slot: int, function: Callable[[dict], dict], description: dict) -> Future:
        try:
            return (self._executors[slot] or self._start(slot)).submit(function, description)
        except BrokenExecutor:  # its worker died while it had nothing to do
            self.kill(slot)
            return self._start(slot).submit(function, description)

    def _start(self, slot: int) -> ProcessPoolExecutor:
        executor = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_start_worker, initargs=(self._gpus[slot],)
        )
        self._pids[slot] = executor.submit(os.getpid)
        self._executors[slot] = executor
        return executor

    def kill(self, slot: int, worker: str | None = None) -> None:
        """End a worker at once, whatever it does; the next submission to its slot starts another."""
        executor = self._executors[slot]
        if executor is None:
            return
        for process in list((executor._processes or {}).values()):  # also one that still starts
            if process.is_alive():  # the number of one that died may be somebody else's by now
                process.kill()
        executor.shutdown(wait=False, cancel_futures=True)
        self._executors[slot] = None

    def wait_until_started(self) -> None:
        wait([pid for pid in self._pids if pid])

    def close(self) -> None:
        """End all workers; they hold nothing that is not on disk."""
        for slot in range(self.slots):
            self.kill(slot)
        for lock in self._held:
            lock.release()


def _fork_server() -> BaseContext:
    """Start the process that workers are forked from: they start at once, and share the memory of what is imported.

    It imports while this process does; a worker that is asked for before waits for it.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["bench.worker.preload"])
    forkserver.ensure_running()
    return context


def _start_worker(gpu: str | None) -> None:
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    from tuning import runtime

    runtime.configure()


def open_workers(count: int | None, cluster: str | None) -> Workers:
    """Open what the settings ask for; where no number is given, a worker for each GPU, or else for each core."""
    if cluster:
        from bench.sweep.cluster import Cluster

        return Cluster(cluster)
    gpus = devices.for_workers(count, cores())
    return Processes(gpus) if gpus else Inline()


_one_at_a_time = threading.Lock()


def run_work_item(description: dict[str, Any]) -> dict[str, Any]:
    """The function that every kind of worker is sent.

    A process does one piece at a time, however many threads Dask gave it: programs and Keras' seed are shared.
    """
    from tuning import runtime

    with _one_at_a_time:
        runtime.configure()
        from bench.worker import execute

        return execute.run(description)
