"""Processes that work on data: spawned, one thread each, and gone as soon as who started them is."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from typing import Any

from threadpoolctl import threadpool_limits

from bench.errors import UserError


@contextmanager
def worker_pool(
    workers: int, work: str, start: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """Open a pool of processes; leaving it, for whatever reason, takes back what has not begun.

    The processes are spawned: forking one that runs TensorFlow is unsafe.

    Parameters
    ----------
    workers : number of processes.
    work : what they do, for the message when one is killed.
    start, arguments : `start(*arguments)` is called in each process before its first work; importable by
        name.

    Raises
    ------
    UserError : a process was killed; mostly the system does that when it runs out of memory.
    """
    try:
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_start, initargs=(start, arguments)
        ) as pool:
            try:
                yield pool
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    except BrokenProcessPool as error:
        raise UserError(
            f"{work}: found one of {workers} processes killed, expected enough memory for all of them"
        ) from error


def _start(start: Callable[..., None] | None, arguments: tuple) -> None:
    threadpool_limits(1)  # as many processes as processors are already at work
    end_with_parent()
    if start is not None:
        start(*arguments)


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
