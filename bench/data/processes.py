"""Processes that work on data: spawned, one thread each, and gone as soon as who started them is."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits

from bench.errors import UserError
from tuning.runtime import keep_freed_memory

Result = TypeVar("Result")

_shared: Any = None  # what every call in this worker process gets besides its own arguments


@contextmanager
def worker_pool(workers: int, work: str, shared: Any = None) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of processes; leaving it, for whatever reason, takes back what has not begun.

    The processes are spawned: forking one that runs TensorFlow is unsafe. Each keeps `shared` for `_call`.
    `work` is what they do, for the message when one is killed.

    Raises UserError: a process was killed; mostly the system does that when it runs out of memory.
    """
    try:
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_start, initargs=(shared,)
        ) as pool:
            try:
                yield pool
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    except BrokenProcessPool as error:
        raise UserError(
            f"{work}: found one of {workers} processes killed, expected enough memory for all of them"
        ) from error


def _start(shared: Any) -> None:
    global _shared
    threadpool_limits(1)  # as many processes as processors are already at work
    keep_freed_memory()
    end_with_parent()
    _shared = shared


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def end_with_parent() -> None:
    """Let this process die as soon as the one that started it is gone, whatever ended that."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    """Wait for the end of the parent, which may be SIGKILL: a pool's processes would wait for ever."""
    connection.wait([sentinel])
    os._exit(1)


def map_processes(
    function: Callable[..., Result],
    arguments: Sequence[tuple],
    *,
    workers: int,
    description: str,
    shared: Any = None,
) -> Iterator[Result]:
    """Yield `function(*arguments[i], shared)` in order, with a progress bar on standard error.

    Parameters
    ----------
    function : importable by name, as the processes are spawned.
    arguments : one tuple for each call.
    workers : number of processes; 1 calls in this process.
    description : what is done, for the progress bar and for the message when a process is killed.
    shared : sent to each process once, not with each call.

    Raises UserError: a process was killed, mostly by lack of memory.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        results = _results(function, arguments, workers, description, shared)
        yield from bar.track(results, total=len(arguments), description=description)


def _results(
    function: Callable[..., Result], arguments: Sequence[tuple], workers: int, work: str, shared: Any
) -> Iterator[Result]:
    if workers <= 1:
        for call in arguments:
            with threadpool_limits(1):  # as in a worker: the last bits of a product may hang on the threads
                result = function(*call, shared)
            yield result
        return
    with worker_pool(workers, work, shared) as pool:
        # A window of calls instead of all of them: finished volumes must not pile up in memory.
        calls = iter(arguments)
        window: deque[Future[Result]] = deque(
            pool.submit(_call, function, call) for call in islice(calls, 4 * workers)
        )
        while window:
            result = window.popleft().result()
            for call in islice(calls, 1):
                window.append(pool.submit(_call, function, call))
            yield result


def _call(function: Callable[..., Result], call: tuple) -> Result:
    return function(*call, _shared)
