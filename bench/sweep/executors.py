"""Who does the work: this process, worker processes, or a Dask cluster, behind `concurrent.futures`."""

import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from multiprocessing import forkserver, get_context
from multiprocessing.context import BaseContext
from typing import Any

from bench.data.processes import cores, end_with_parent
from bench.errors import UserError
from bench.sweep import devices

_MOST_FAILURES = 2


class Workers:
    """A number of slots, each of which does one piece at a time."""

    slots: int
    # Whether a submitted piece may have to wait for a worker, so that its silence means nothing.
    queues = False

    def submit(self, slot: int, function: Callable[[dict], dict], description: dict) -> Future:
        raise NotImplementedError

    def kill(self, slot: int) -> None:
        """End what a slot does, if that can be done."""

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

    Parameters
    ----------
    gpus : of each worker, the only one that it sees, or None, a processor (see `devices.for_workers`).

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

    def kill(self, slot: int) -> None:
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


class Cluster(Workers):
    """The workers of a Dask cluster, one piece each at a time.

    A worker that dies is Dask's affair: its piece goes to another, and on from its last epoch. Workers may
    come and go. The run folder and the data must be on a file system that all of its machines share.
    """

    queues = True

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise UserError(
                f"CLUSTER={address}: found no dask.distributed; expected it: pip install scanbench[cluster]"
            ) from None
        self._address = address
        if not re.search(r":\d+/?$", address):
            raise UserError(f"CLUSTER={address}: found no port; expected tcp://host:port")
        try:
            # TLS and time-outs come from Dask's own configuration (files or DASK_ variables).
            self._client = Client(address, set_as_default=False)
            self._client.wait_for_workers(1, timeout=60)
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            raise UserError(
                f"CLUSTER={address}: found no scheduler with workers there ({error}); expected one"
            ) from None
        # A worker that cannot answer says why with its first piece.
        devices.assert_one_each(self._client.run(devices.of_this_worker, on_error="ignore"), address)
        self._executor = self._client.get_executor(pure=False, retries=2)
        self._futures: dict[int, Future] = {}
        self._failures: Counter[str] = Counter()  # of workers: pieces in a row that their machine kept undone

    @property
    def slots(self) -> int:  # type: ignore[override]
        """One for each worker of this moment, or one that waits for a worker.

        A training takes one thread, its data a worker's memory. A worker whose machine has failed two pieces in a
        row (no mount, say) gets no more, as long as there are others.

        Raises UserError: the scheduler is gone.
        """
        return max(len(self._sound()), 1)

    def _sound(self) -> list[str]:
        """Addresses of the workers that can work; all of them if none can."""
        self._assert_connected()
        try:
            workers = list(self._client.scheduler_info(n_workers=-1)["workers"])
        except (OSError, TimeoutError) as error:
            raise self._gone() from error
        return [worker for worker in workers if self._failures[worker] < _MOST_FAILURES] or workers

    def submit(self, slot: int, function: Callable[[dict], dict], description: dict) -> Future:
        chosen = (
            {"workers": self._sound()} if max(self._failures.values(), default=0) >= _MOST_FAILURES else {}
        )
        future = self._executor.submit(_run_and_sign, function, description, **chosen)
        future.add_done_callback(self._judge)
        self._futures[slot] = future
        return future

    def _judge(self, future: Future) -> None:
        if not future.cancelled() and not future.exception():
            outcome = future.result()
            failures = self._failures[outcome["worker"]] + 1 if outcome.get("environment") else 0
            self._failures[outcome["worker"]] = failures

    def kill(self, slot: int) -> None:
        """Take a piece back. Dask cannot end what a worker is in the middle of; the next goes to another.

        Raises UserError: the scheduler is gone; that is no fault of the piece.
        """
        self._assert_connected()
        if slot in self._futures:
            self._futures[slot].cancel()

    def _assert_connected(self) -> None:
        if self._client.status != "running":
            raise self._gone()

    def _gone(self) -> UserError:
        return UserError(
            f"CLUSTER={self._address}: lost the scheduler; expected it to stay: start it again, and the same "
            "command goes on"
        )

    def close(self) -> None:
        self._client.close(timeout=5)


def _run_and_sign(function: Callable[[dict], dict], description: dict) -> dict:
    """Run on a worker of Dask, which puts its address to what it hands back."""
    from distributed import get_worker

    outcome, worker = function(description), get_worker().address
    if outcome.get("environment"):
        outcome["failed"] += f" on {worker}"
    return {**outcome, "worker": worker}


def open_workers(count: int | None, cluster: str | None) -> Workers:
    """Open what the settings ask for; where no number is given, a worker for each GPU, or else for each core."""
    if cluster:
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
