"""Peak memory of a piece of work, inference or training."""

import contextlib
import ctypes
import gc
import threading
from pathlib import Path

import psutil

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
SAMPLING_SECONDS = 0.005


class PeakMemory:
    """Context that records the largest resident memory of this process while it is open.

    On Linux the kernel keeps the record (`VmHWM`, reset on entering), so that no peak is missed; elsewhere
    a thread samples every 5 ms. Memory of child processes and of a GPU is not counted. Do not nest: the
    record is one a process.

    Attributes
    ----------
    bytes : peak above what was resident on entering, or above `baseline`; never negative.
    total_bytes : peak of the whole process, interpreter and libraries included.
    method : how it was found, in words.

    Examples
    --------
    >>> with PeakMemory() as peak:
    ...     block = bytearray(50_000_000)
    >>> peak.bytes >= 49_000_000
    True
    """

    bytes = total_bytes = 0
    method = ""

    def __init__(self, baseline: int | None = None) -> None:
        self._given = baseline

    def __enter__(self) -> "PeakMemory":
        self._baseline = resident_bytes() if self._given is None else self._given
        self._sampler = None if _reset_high_water_mark() else _Sampler()
        return self

    def __exit__(self, *_: object) -> None:
        if self._sampler is None:
            self.total_bytes, self.method = _high_water_mark(), "kernel's record of peak resident memory"
        else:
            self.total_bytes, self.method = self._sampler.stop(), "resident memory sampled every 5 ms"
        self.bytes = max(0, self.total_bytes - self._baseline)


def peak_memory(baseline: int | None = None) -> PeakMemory:
    """Open a `PeakMemory`: `with peak_memory() as peak: model.fit(...)`, then `peak.bytes`."""
    return PeakMemory(baseline)


def resident_bytes() -> int:
    """Return this process's resident memory now."""
    return int(psutil.Process().memory_info().rss)


def release_memory() -> None:
    """Collect garbage and hand freed memory back to the system, so that it does not count as in use."""
    gc.collect()
    # Where there is no glibc, the allocator does as it likes.
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


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


class _Sampler:
    def __init__(self) -> None:
        self._peak = resident_bytes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLING_SECONDS):
            self._peak = max(self._peak, resident_bytes())

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return max(self._peak, resident_bytes())
