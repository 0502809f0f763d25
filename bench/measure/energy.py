"""Energy of a piece of work: measured where the machine allows, otherwise an estimate that says so."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import psutil

from bench.measure.memory import Repeated

POWERCAP = Path("/sys/class/powercap")

# Green Algorithms (Lannelongue, Grealey and Inouye, Advanced Science 2021, eq. 1, and its data tables):
# the power of a core at full use is the TDP divided by the cores; 12.0 W for a processor of unknown model.
WATTS_PER_CORE = 12.0
WATTS_PER_GIGABYTE = 0.3725

# A RAPL counter runs over after some minutes at full load; it must be read more often than that.
READING_SECONDS = 20.0


class RaplCounter:
    """The processor's own energy counters (RAPL) as Linux shows them under `/sys/class/powercap`.

    Counted are the packages and, where it is a domain of its own, the memory; `psys` contains the packages
    and is left out. The counters are the whole machine's: measure with nothing else running.

    Raises OSError: there are none, or only root may read them (the default since Linux 5.10).
    """

    def __init__(self, folder: Path) -> None:
        domains = [path for path in sorted(folder.glob("intel-rapl:*")) if _is_counted(path)]
        if not domains:
            raise FileNotFoundError(f"{folder}: no RAPL domain")
        self._ranges = {path: int((path / "max_energy_range_uj").read_text()) for path in domains}
        self._last = self._read()
        self._total = 0

    def joules(self) -> float:
        """Return the energy since construction; call at least every few minutes."""
        now = self._read()
        # A counter starts again from 0 after its range.
        self._total += sum((now[path] - self._last[path]) % (most + 1) for path, most in self._ranges.items())
        self._last = now
        return self._total / 1e6

    def _read(self) -> Mapping[Path, int]:
        return {path: int((path / "energy_uj").read_text()) for path in self._ranges}


def _is_counted(path: Path) -> bool:
    name = (path / "name").read_text().strip()
    return name.startswith("package") or name == "dram"


class EnergyMeter:
    """Context that gives the energy of what happens inside, in joules.

    The processor is measured by RAPL where it can be read; otherwise estimated as CPU seconds of this
    process (all threads) times 12 W a core (the true value lies between about 4 W, servers, and 24 W), plus
    memory held times 0.3725 W a gigabyte. GPUs, if NVIDIA's `pynvml` is installed and they count, are added.
    What is measured is the whole machine's; what is estimated is this process's.
    """

    joules = seconds = 0.0  # of the block; 3600 J are 1 Wh
    method = ""  # `measured: ...` or `estimate: ...`, for the report

    def __enter__(self) -> "EnergyMeter":
        try:
            self._rapl: RaplCounter | None = RaplCounter(POWERCAP)
        except (OSError, ValueError):
            self._rapl = None
        self._gpu = _gpu_counter()
        self._gpu_start = self._gpu() if self._gpu else 0.0
        self._reader = Repeated(READING_SECONDS, self._rapl.joules) if self._rapl else None
        self._begin, self._cpu_begin = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begin
        cpu_seconds = time.process_time() - self._cpu_begin
        if self._rapl and self._reader:
            self._reader.stop()
            self.joules, self.method = self._rapl.joules(), "measured: RAPL, processor of the whole machine"
        else:
            gigabytes = psutil.Process().memory_info().rss / 1e9
            self.joules = cpu_seconds * WATTS_PER_CORE + self.seconds * gigabytes * WATTS_PER_GIGABYTE
            self.method = (
                f"estimate: CPU seconds x {WATTS_PER_CORE:g} W a core + {WATTS_PER_GIGABYTE:g} W a GB "
                "of memory (Green Algorithms, 2021)"
            )
        if self._gpu:
            self.joules += self._gpu() - self._gpu_start
            self.method += " + measured: NVML, all GPUs"


def _gpu_counter() -> Callable[[], float] | None:
    """Return a function that reads the joules all GPUs have used, or None where there is nothing to read."""
    try:
        import pynvml
    except ImportError:
        return None
    nvml: ModuleType = pynvml
    try:
        nvml.nvmlInit()
        devices = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]

        def joules() -> float:
            return sum(nvml.nvmlDeviceGetTotalEnergyConsumption(device) for device in devices) / 1000

        joules()
    except nvml.NVMLError:
        return None
    return joules if devices else None
