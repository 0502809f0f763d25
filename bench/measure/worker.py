"""The fresh process in which models are measured: `python -m bench.measure.worker RESULT`.

A line on standard output says that all is imported; then the job is read from standard input. It is JSON, with
`mode`, `entries`, `threads`, `packages`, `runtimes`, `rounds`, `seconds` (of each timing) and `converted` (the
folder of the runtimes' own files). The mode `all` is what `bench.measure.cost` asks for: it needs `counts` (the
numbers of threads to time with) and `memory_seconds` (0: not measured) besides, and its result is `latency`, number
of threads to name of the entry to what was found, and `memory`, name to what was found. `conversion`, `latency` and
`memory` (of one entry) are its parts, each done in a process of its own; to convert, each entry says for which
`runtime`.
"""

import functools
import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, pairwise, product
from operator import itemgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.measure import held, runtimes
from bench.measure.fresh_process import FreshProcess, ProcessDied, Turn, die_with_parent, thread_variables
from bench.measure.latency import Call, over_samples, time_in_rounds
from bench.measure.macs import UncountableError, macs
from bench.measure.saved_models import count_parameters, import_packages, load_model, load_samples
from tuning import durable
from tuning.runtime import keep_freed_memory

BATCH = 32
REFERENCE = "reference kernel"
_REFERENCE_SIDE = 192
_AT_ONCE = 2  # processes that prepare side by side: each holds models


def measure(job: dict[str, Any], _: Turn) -> dict[str, Any]:
    """Convert all models, on all threads at once; then measure latency for each number of threads, and memory.

    Each in a process of its own; what one that crashes while it converts leaves out is converted where it is timed.
    """
    counts, seconds = job["counts"], job["memory_seconds"]
    if job["runtimes"] != ["keras"]:
        processes = max(counts)
        # Whole models where there are enough; a single large network takes long, and is divided by runtime.
        turns = sorted(range(len(job["entries"])), key=lambda place: place % processes)
        portable = [runtime for runtime in job["runtimes"] if runtime in runtimes.PORTABLE]
        parts = [{**job["entries"][i], "runtime": runtime} for i in turns for runtime in portable]
        cuts = [len(parts) * place // processes for place in range(processes + 1)]
        shares = [parts[first:last] for first, last in pairwise(cuts) if first < last]
        for process in [_process("conversion", {**job, "entries": share}, 1) for share in shares]:
            with suppress(ProcessDied):
                process.result()
    timing = [("latency", job, count) for count in counts]
    latency = {
        str(count): _result(process, *described)
        for count, described, process in zip(counts, timing, _prepared(timing), strict=True)
    }
    memory: dict[str, Any] = {}
    holding = [("memory", {**job, "entries": [entry], "seconds": seconds}, 1) for entry in job["entries"]]
    for described, process in zip(holding, _prepared(holding), strict=True) if seconds else ():
        memory |= _result(process, *described)
    return {"latency": latency, "memory": memory}


def _result(process: FreshProcess, mode: str, job: dict[str, Any], threads: int) -> dict[str, Any]:
    """What a process found; where it died, its models are tried one by one, so that only the culprit has failed."""
    try:
        return process.result()
    except ProcessDied as error:
        if len(job["entries"]) == 1:
            return {job["entries"][0]["name"]: {"status": "failed", "reason": str(error)}}
    alone = [{**job, "entries": [entry]} for entry in job["entries"]]
    each = [_result(_process(mode, one, threads), mode, one, threads) for one in alone]
    return dict(item for found in each for item in found.items())


def _prepared(jobs: list[tuple[str, dict[str, Any], int]]) -> Iterator[FreshProcess]:
    """Start processes, a few at once; none is handed out while another of these still prepares."""
    for first in range(0, len(jobs), _AT_ONCE):
        started = [_process(*job) for job in jobs[first : first + _AT_ONCE]]
        for process in started:
            process.wait_until_prepared()
        yield from started


def _process(mode: str, job: dict[str, Any], threads: int) -> FreshProcess:
    """Start a part of the measurement in a process of its own, with so many threads."""
    return FreshProcess(functools.partial(_do, {**job, "mode": mode, "threads": threads}))


def _do(job: dict[str, Any], turn: Turn = lambda: None) -> dict[str, Any]:
    """Do a job in this process, which has not run TensorFlow before."""
    for name in ("tensorflow", "absl", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import_packages(job["packages"])
    os.environ.update(thread_variables(job["threads"]))
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(job["threads"])
    return _MODES[job["mode"]](job, turn)


def measure_latency(job: dict[str, Any], turn: Turn) -> dict[str, Any]:
    """Prepare every model in every runtime, time them all in rounds, and say what each took."""
    # As oneDNN's own allocator would: without, a batch of 32 took up to 1.4 times as long.
    keep_freed_memory(1024)
    results: dict[str, Any] = {}
    calls: dict[str, Call] = {REFERENCE: _reference_kernel()}
    for entry in job["entries"]:
        try:
            results[entry["name"]] = _prepare(entry, job, calls)
        except Exception as error:  # One model that fails must not cost the others their figures.
            results[entry["name"]] = _failure(error)
    turn()
    timings = time_in_rounds(calls, job["seconds"], job["rounds"])
    speeds = timings[REFERENCE].round_medians_ms
    gflops = 2 * _REFERENCE_SIDE**3 / timings[REFERENCE].median_ms / 1e6
    for name, result in results.items():
        result["machine_drift"] = max(speeds) / min(speeds)
        for runtime, described in result.get("runtimes", {}).items():
            if described["status"] == "measured":
                single, batched = (timings[_key(name, runtime, batch)] for batch in (1, BATCH))
                described["timing"] = {
                    "inference_ms": single.median_ms,
                    "inference_p95_ms": single.p95_ms,
                    "throughput_32": BATCH / (batched.median_ms / 1000),
                    "round_medians_ms": single.round_medians_ms,
                    "round_medians_32_ms": batched.round_medians_ms,
                    "reference_gflops": gflops,
                }
    return results


def _prepare(entry: dict[str, str], job: dict[str, Any], calls: dict[str, Call]) -> dict[str, Any]:
    """Load a model, count it, and add what is to be timed to `calls`."""
    model = load_model(entry["model"])
    x = load_samples(entry["samples"], BATCH)
    result: dict[str, Any] = {
        "status": "measured",
        "parameters": count_parameters(model),
        "trainable_parameters": int(sum(np.prod(w.shape) for w in model.trainable_weights)),
        "bytes_on_disk": Path(entry["model"]).stat().st_size,
        **_operations(model, x.shape[1:], _kept(job, entry["name"], 1)),
        "runtimes": {},
    }
    # Keras comes first: its answers are what the others are checked against.
    answers: dict[int, np.ndarray] = {}
    for runtime in job["runtimes"]:
        described, predicts = _describe(runtime, model, x, job, entry["name"], answers)
        result["runtimes"][runtime] = described
        for batch, predict in predicts.items():
            calls[_key(entry["name"], runtime, batch)] = over_samples(predict, x, batch)
    return result


def convert(job: dict[str, Any], _: Turn) -> dict[str, Any]:
    """Count models' operations and write their files, each for the `runtime` of its entry.

    What fails is told where it is timed.
    """
    for (name, path, samples), parts in groupby(job["entries"], itemgetter("name", "model", "samples")):
        with suppress(Exception):
            model, shape, wanted = load_model(path), load_samples(samples, 1).shape[1:], [*parts]
            _operations(model, shape, _kept(job, name, 1))
            for batch, part in product((1, BATCH), wanted):
                with suppress(ImportError, runtimes.ConversionError):
                    runtimes.PORTABLE[part["runtime"]].content(model, batch, shape, _kept(job, name, batch))
    return {}


def _operations(model: keras.Model, shape: tuple[int, ...], kept: Path | None) -> dict[str, Any]:
    """MACs of a sample, or the reason why there is no number, counted once where they are `kept`."""
    file = kept and kept.with_name(f"{kept.name}.macs.json")
    if file and file.exists():
        return json.loads(file.read_text())
    found: dict[str, Any] = {"macs": None, "macs_reason": None}
    try:
        found["macs"] = macs(model, input_shape=shape)
    except UncountableError as error:
        found["macs_reason"] = str(error)
    if file:
        durable.write(file, json.dumps(found))
    return found


def _kept(job: dict[str, Any], name: str, batch: int) -> Path | None:
    """Where the runtimes' files of a model lie, without their suffixes."""
    digest = hashlib.sha256(f"{name} {batch}".encode()).hexdigest()[:16]
    return Path(job["converted"]) / digest if "converted" in job else None


def _describe(
    name: str,
    model: keras.Model,
    x: np.ndarray,
    job: dict[str, Any],
    entry: str,
    answers: dict[int, np.ndarray],
) -> tuple[dict[str, Any], dict[int, runtimes.Predict]]:
    """Prepare a model in a runtime for both batch sizes and check its answers.

    Returns what to say of it, and what to time: nothing where it is absent, cannot or disagrees.
    """
    runtime = runtimes.RUNTIMES[name]
    described: dict[str, Any] = {
        "status": "measured",
        **dict.fromkeys(("version", "reason", "max_difference")),
    }
    try:
        described["version"] = runtimes.version(runtime)
        predicts = {
            batch: runtime.prepare(model, batch, job["threads"], x.shape[1:], _kept(job, entry, batch))
            for batch in (1, BATCH)
        }
    except ImportError as error:
        return {**described, "status": "not installed", "reason": str(error)}, {}
    except runtimes.ConversionError as error:
        return {**described, "status": "cannot convert", "reason": str(error)}, {}
    for batch, predict in predicts.items():
        answers.setdefault(batch, np.asarray(predict(x[:batch])))
    gap = max(runtimes.difference(predict, answers[batch], x[:batch]) for batch, predict in predicts.items())
    described["max_difference"] = gap if np.isfinite(gap) else None
    if gap > runtimes.TOLERANCE:
        reason = f"output differs from Keras' by {gap:.2g}, more than {runtimes.TOLERANCE:g}"
        return {**described, "status": "disagrees", "reason": reason}, {}
    return described, predicts


def _reference_kernel() -> Call:
    """A fixed matrix product, timed among the models: its speed tells how fast and how steady the machine was."""
    a = np.random.default_rng(0).random((_REFERENCE_SIDE, _REFERENCE_SIDE), dtype=np.float32)
    return lambda _: a @ a


def _key(name: str, runtime: str, batch: int) -> str:
    return json.dumps([name, runtime, batch])


def measure_memory(job: dict[str, Any], turn: Turn) -> dict[str, Any]:
    """Measure memory and energy of the one model of a job."""
    (entry,) = job["entries"]
    try:
        return {entry["name"]: held.measure(entry["model"], entry["samples"], job["seconds"], turn)}
    except Exception as error:
        return {entry["name"]: _failure(error)}


def _failure(error: Exception) -> dict[str, Any]:
    lines = str(error).strip().splitlines() or [""]
    return {"status": "failed", "reason": f"{type(error).__name__}: {lines[0]}"}


_MODES = {"all": measure, "latency": measure_latency, "memory": measure_memory, "conversion": convert}


def main(arguments: list[str]) -> None:
    """Do the job that standard input brings, and write its result to a file; end where there comes none."""
    die_with_parent()
    print("ready", flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads what runtimes say there
    text = sys.stdin.read()
    if text:
        Path(arguments[0]).write_text(json.dumps(_do(json.loads(text))))


if __name__ == "__main__":
    main(sys.argv[1:])
