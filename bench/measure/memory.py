"""Peak memory of a piece of work, inference or training."""

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from tuning.runtime import give_back_freed_memory

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
SAMPLING_SECONDS = 0.005


class PeakMemory:
    """Context that records the largest resident memory of this process while it is open.

    On Linux the kernel keeps the record (`VmHWM`, reset on entering), so that no peak is missed; elsewhere
    a thread samples every 5 ms. Memory of child processes and of a GPU is not counted. Do not nest: the
    record is one a process.
    """

    bytes = 0  # peak above what was resident on entering, or above `baseline`; never negative
    total_bytes = 0  # peak of the whole process, interpreter and libraries included

    def __init__(self, baseline: int | None = None) -> None:
        self._given = baseline

    def __enter__(self) -> "PeakMemory":
        self._baseline = resident_bytes() if self._given is None else self._given
        self._sampler = None
        if not _reset_high_water_mark():
            self._look()
            self._sampler = Repeated(SAMPLING_SECONDS, self._look)
        return self

    def _look(self) -> None:
        self.total_bytes = max(self.total_bytes, resident_bytes())

    def __exit__(self, *_: object) -> None:
        if self._sampler is None:
            self.total_bytes = _high_water_mark()
        else:
            self._sampler.stop()
            self._look()
        self.bytes = max(0, self.total_bytes - self._baseline)


def resident_bytes() -> int:
    """Return this process's resident memory now."""
    return int(psutil.Process().memory_info().rss)


def release_memory() -> None:
    """Collect garbage and hand freed memory back to the system, so that it does not count as in use."""
    gc.collect()
    give_back_freed_memory()


def _reset_high_water_mark() -> bool:
    try:
        _CLEAR.write_text("5")  # proc(5): "Writing 5 resets the peak resident set size to the current value".
        return _high_water_mark() > 0
    except OSError:
        return False


def _high_water_mark() -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Repeated:
    """A function called every few seconds, in a thread of its own, until it is stopped."""

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(seconds, call), daemon=True)
        self._thread.start()

    def _run(self, seconds: float, call: Callable[[], object]) -> None:
        while not self._stop.wait(seconds):
            call()

    def stop(self) -> None:
        """End after a call under way."""
        self._stop.set()
        self._thread.join()
