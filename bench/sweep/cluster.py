"""The workers of a Dask cluster, on as many machines as it has."""

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from bench.errors import UserError
from bench.sweep import devices
from bench.sweep.executors import Workers

_MOST_FAILURES = 2
_ANSWER_SECONDS = 60


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
        if not re.fullmatch(r"((tcp|tls)://)?[^/]+:\d+/?", address):
            raise UserError(f"CLUSTER={address}: found another address; expected tcp://host:port, or tls://")
        for name in ("distributed", *logging.root.manager.loggerDict):
            if name.startswith("distributed"):  # what is lost is said here, in a line
                logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            # TLS and time-outs come from Dask's own configuration (files or DASK_ variables).
            self._client = Client(address, set_as_default=False)
            self._client.wait_for_workers(1, timeout=60)
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            raise UserError(
                f"CLUSTER={address}: found no scheduler with workers there ({error}); expected one"
            ) from None
        devices.assert_one_each(self._ask_workers(), address)
        self._executor = self._client.get_executor(pure=False, retries=2)
        self._futures: dict[int, Future] = {}
        self._failures: Counter[str] = Counter()  # of workers: pieces in a row that their machine kept undone

    def _ask_workers(self) -> dict[str, tuple[str, str | None]]:
        """What `devices.of_this_worker` says on each; who cannot say it for now is left out."""
        answers: dict[str, Any] = {}

        def ask() -> None:
            with suppress(OSError, TimeoutError):  # one that was lost meanwhile
                answers.update(self._client.run(devices.of_this_worker, on_error="return"))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(_ANSWER_SECONDS)
        if asking.is_alive():
            raise UserError(
                f"CLUSTER={self._address}: found a worker that does not answer within {_ANSWER_SECONDS} s; "
                "expected workers that do: end those that hang"
            )
        for worker, answer in answers.items():
            if isinstance(answer, ImportError):
                raise UserError(
                    f"CLUSTER={self._address}: found on worker {worker}: {answer}; expected what the sweep itself "
                    "has installed"
                )
        return {worker: answer for worker, answer in answers.items() if not isinstance(answer, Exception)}

    def is_anybody_there(self) -> bool:
        return bool(self._present())

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
        workers = self._present()
        return [worker for worker in workers if self._failures[worker] < _MOST_FAILURES] or workers

    def _present(self) -> list[str]:
        self._assert_connected()
        try:
            return list(self._client.scheduler_info(n_workers=-1)["workers"])
        except (OSError, TimeoutError) as error:
            raise self._gone() from error

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

    def kill(self, slot: int, worker: str | None = None) -> None:
        """Take a piece back. Dask cannot end what a worker is in the middle of: others get what comes next.

        Raises UserError: the scheduler is gone; that is no fault of the piece.
        """
        self._assert_connected()
        if worker:
            self._failures[worker] = _MOST_FAILURES
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

    from bench.worker.files import Progress

    worker = get_worker().address
    description = {**description, "worker": worker}
    Progress(description)  # from now on its silence means something
    outcome = function(description)
    if outcome.get("environment"):
        outcome["failed"] += f" on {worker}"
    return {**outcome, "worker": worker}
