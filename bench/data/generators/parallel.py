"""Work on many volumes in a few processes, with a progress bar, in order, holding few results at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits

from bench.data.processes import worker_pool

Result = TypeVar("Result")

_shared: Any = None  # what every call in this worker process gets besides its own arguments


def map_processes(
    function: Callable[..., Result],
    arguments: Iterable[tuple],
    *,
    total: int,
    workers: int = 1,
    description: str | None = None,
    shared: Any = None,
) -> Iterator[Result]:
    """Yield `function(*arguments[i], shared)` in order.

    Parameters
    ----------
    function : importable by name, as the processes are spawned (forking a process that runs TensorFlow is
        unsafe).
    arguments : one tuple for each call, asked for a few calls ahead.
    total : how many there are.
    workers : number of processes; 1 calls in this process.
    description : text of the progress bar on standard error; None shows none.
    shared : sent to each process once, not with each call.

    Raises
    ------
    UserError : a process was killed, mostly by lack of memory.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=description is None,
    )
    with bar:
        yield from bar.track(
            _results(function, arguments, workers, description or "Working on volumes", shared),
            total=total,
            description=description or "",
        )


def _results(
    function: Callable[..., Result], arguments: Iterable[tuple], workers: int, work: str, shared: Any
) -> Iterator[Result]:
    if workers <= 1:
        for call in arguments:
            with threadpool_limits(1):  # as in a worker: the last bits of a product may hang on the threads
                result = function(*call, shared)
            yield result
        return
    with worker_pool(workers, work, _remember, shared) as pool:
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


def _remember(shared: Any) -> None:
    global _shared
    _shared = shared


def _call(function: Callable[..., Result], call: tuple) -> Result:
    return function(*call, _shared)
