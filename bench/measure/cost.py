"""What trained models cost: size, operations, time, memory and energy, each measured in a fresh process.

This side imports no TensorFlow: it starts `bench.measure.worker` and puts together what that has found.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bench
from bench.data.processes import cores
from bench.measure.fresh_process import thread_variables
from tuning.runtime import SYSTEM_ALLOCATOR

_COUNTED = ("parameters", "trainable_parameters", "macs", "macs_reason", "bytes_on_disk", "machine_drift")
_TIMED = ("inference_ms", "inference_p95_ms", "throughput_32")
_HELD = ("peak_memory_bytes", "peak_memory_total_bytes", "energy_1000_inferences_joules", "energy_method")

ALL_RUNTIMES = ("keras", "litert", "onnxruntime")


class MeasurementError(RuntimeError):
    """A measuring process ended without a result; the text holds the end of what it said."""


@dataclass(frozen=True)
class Entry:
    """A model to measure.

    Attributes
    ----------
    name : key of its costs in the result.
    model : path of the `.keras` file.
    samples : path of an `.npy` file, float32 `[n, ...]`: a few preprocessed real inputs.
    """

    name: str
    model: str
    samples: str


class MeasuringProcess:
    """The fresh process that measures, which is one thread's until it starts others; for one job.

    It may be started before there is a job: it then imports TensorFlow, and waits. It ends with this process.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="scanbench-")
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it, unless it has been."""
        if self._process is None:
            with (Path(self._folder.name) / "errors").open("w") as errors:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "bench.measure.worker", self._folder.name + "/result.json"],
                    env=worker_environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    start_new_session=True,  # so that those it starts can be ended with it
                )

    def wait_until_idle(self) -> None:
        """Wait until it has imported what it needs, so that it disturbs nothing that is timed; or has died."""
        if self._process and self._process.stdout:
            self._process.stdout.readline()

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Hand it the job and wait for the result.

        Raises MeasurementError: it ended without one.
        """
        self.start()
        assert self._process
        self._process.communicate(json.dumps({**job, "mode": "all", "threads": 1}))
        result = Path(self._folder.name) / "result.json"
        if self._process.returncode or not result.exists():
            tail = (Path(self._folder.name) / "errors").read_text().strip()[-2000:]
            raise MeasurementError(f"measuring process ended with status {self._process.returncode}\n{tail}")
        return json.loads(result.read_text())

    def close(self) -> None:
        """End it and those it has started, whatever they do."""
        if self._process:
            with self._process as process:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        self._folder.cleanup()


def measure_models(
    entries: Sequence[Entry],
    seconds: float = 10.0,
    runtimes: Sequence[str] = ("keras",),
    rounds: int = 10,
    threads: Sequence[int] | None = None,
    memory: bool = True,
    packages: Sequence[str] = ("architectures",),
    process: MeasuringProcess | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure what each model costs at inference, on the CPU, one process after the other.

    Timed is a call from a NumPy array to a NumPy array. All models, runtimes and batch sizes of one number
    of threads share one process and are interleaved in rounds (see `latency.time_in_rounds`). Run it with
    nothing else running.

    Parameters
    ----------
    entries : models, with different names.
    seconds : timing for each model, divided evenly among runtimes, batch sizes and numbers of threads. Starting
        TensorFlow (about 5 s, once), tracing and conversion come on top.
    runtimes : of `keras`, `litert`, `onnxruntime`; those not installed are reported as such.
    rounds : rounds of interleaving.
    threads : numbers of threads, each a process; (1, all that this process may use) by default.
    memory : whether to measure peak memory and energy, each model in a process of its own.
    packages : packages whose modules, and paths of files that, are imported first: they register custom layers.
    process : one that was started before; None: a new one.

    Returns by name a JSON-ready dict with these keys; what could not be measured is None.

    - `status`: `measured` or `failed`; `reason`: why it failed, in a line.
    - `parameters`, `trainable_parameters`; `bytes_on_disk`: of the `.keras` file.
    - `macs`: multiply-accumulates of one sample; `macs_reason`: why there is no number.
    - `inference_ms`, `inference_p95_ms` (batch 1), `throughput_32` (samples a second at batch 32): in Keras,
      with the first number of `threads`.
    - `runtimes`: runtime to a dict of `status` (`measured`, `not installed`, `cannot convert`, `disagrees`),
      `reason`, `version`, `max_difference` (largest absolute difference of the output from Keras' own) and
      `threads`: the number as text to `inference_ms`, `inference_p95_ms`, `throughput_32`,
      `round_medians_ms`, `round_medians_32_ms` and `reference_gflops` (1e9 operations a second of a NumPy
      matrix product timed among the models).
    - `peak_memory_bytes`: above an idle TensorFlow, the model included; `peak_memory_total_bytes`: of the whole
      process; `energy_1000_inferences_joules`, `energy_method`: all in Keras, batch 1, one thread.
    - `machine_drift`: slowest over fastest round of that matrix product.

    Raises MeasurementError: a measuring process crashed (out of memory, say); ValueError: two entries of one name,
    or an unknown runtime.
    """
    if len({entry.name for entry in entries}) != len(entries):
        raise ValueError(f"names of entries must differ, got {[entry.name for entry in entries]}")
    if unknown := set(runtimes) - set(ALL_RUNTIMES):
        raise ValueError(f"runtimes: found {sorted(unknown)}, expected some of {ALL_RUNTIMES}")
    if not entries:
        return {}
    counts = list(dict.fromkeys(threads or (1, cores())))
    job: dict[str, Any] = {
        "entries": [asdict(entry) for entry in entries],
        # Keras' answer is what the others are checked against.
        "runtimes": list(dict.fromkeys(["keras", *runtimes])),
        "rounds": rounds,
        "packages": list(packages),
        "counts": counts,
        "memory_seconds": seconds / 10 if memory else 0,
    }
    job["seconds"] = seconds / (2 * len(job["runtimes"]) * len(counts))
    with (
        tempfile.TemporaryDirectory(prefix="scanbench-") as folder,
        closing(process or MeasuringProcess()) as used,
    ):
        found = used.run({**job, "converted": folder})
    return {
        entry.name: _merge(
            {count: found["latency"][str(count)][entry.name] for count in counts},
            found["memory"].get(entry.name, {}),
        )
        for entry in entries
    }


def _merge(timed: dict[int, dict[str, Any]], held: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(timed.values()))
    failed = next((part for part in (*timed.values(), held) if part.get("status") == "failed"), None)
    cost: dict[str, Any] = {"status": "measured", "reason": None}
    cost |= {key: first.get(key) for key in _COUNTED}
    cost["runtimes"] = {}
    for name, described in first.get("runtimes", {}).items():
        # A runtime may fail with one number of threads only; then what failed is what is said.
        each = {count: part.get("runtimes", {}).get(name, described) for count, part in timed.items()}
        worst = next((part for part in each.values() if part["status"] != "measured"), described)
        cost["runtimes"][name] = {
            **{key: worst.get(key) for key in ("status", "version", "reason", "max_difference")},
            "threads": {str(count): part["timing"] for count, part in each.items() if part.get("timing")},
        }
    keras_timing = first.get("runtimes", {}).get("keras", {}).get("timing") or {}
    cost |= {key: keras_timing.get(key) for key in _TIMED}
    cost |= {key: held.get(key) for key in _HELD}
    if failed:
        cost |= {"status": "failed", "reason": failed["reason"]}
    return cost


def worker_environment() -> dict[str, str]:
    """Return the environment of a measuring process: one thread, no GPU, this very `bench`."""
    root = str(Path(bench.__file__).resolve().parents[1])
    return {
        **os.environ,
        **thread_variables(1),
        # LiteRT and ONNX Runtime run on the CPU here; Keras on a GPU would be another question.
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",  # as in a training (tuning.runtime)
        **SYSTEM_ALLOCATOR,
        "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
