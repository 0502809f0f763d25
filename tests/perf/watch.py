"""What something comes to at most while a block runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def peak(measure: Callable[[], int], seconds: float = 0.25) -> Iterator[list[int]]:
    """Look again and again; yields a list whose one entry is the largest value so far.

    A look that meets a file that was renamed meanwhile (`OSError`) does not count.
    """
    found, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(seconds):
            with suppress(OSError):
                found[0] = max(found[0], measure())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
