"""The last step of a sweep: the winners' inference, timed together with nothing else running."""

import re
import time
import zipfile
from pathlib import Path

import numpy as np

import architectures
from bench.measure.cost import Entry, MeasurementError, MeasuringProcess, measure_models
from bench.sweep.identity import candidate_digests
from bench.sweep.plan import Plan
from bench.sweep.progress import Display
from bench.sweep.settings import Settings

_SAMPLES = 8  # real images to measure with


def measure_inference(
    settings, dataset, folder: Path, plan: Plan, journal, display: Display, process: MeasuringProcess
) -> None:
    """Measure size, operations and inference time of all winners, in rounds, in processes of their own.

    Winners that are one network, but for its weights, are measured once: `same_as` names the one that was.
    """
    winners, key = plan.winners(), plan.latency_key()
    if not winners or plan.state.settled(key):
        return
    known = plan.state.candidates
    for name, digest in candidate_digests(settings).items():
        if name in winners and known.get(name, digest) != digest:
            _leave_out(plan, journal, display, f"the file of {name} has changed since the sweep began")
            return
    display.say("measuring inference time, nothing else running")
    (folder / "work").mkdir(exist_ok=True)
    chosen = np.random.default_rng(0).choice(len(dataset.x), min(_SAMPLES, len(dataset.x)), replace=False)
    stored = np.asarray(dataset.x[np.sort(chosen)])
    images = settings.task.prepare(stored, settings.preprocessing)
    preprocessing_ms = _time_preprocessing(settings, stored)
    entries: list[Entry] = []
    measured: dict[bytes, str] = {}  # by network
    same_as: dict[str, str] = {}
    for name, (_, result) in winners.items():
        model = (folder / result["files"]["model"]["path"]).resolve()
        first = same_as[name] = measured.setdefault(_network(model), name)
        if first != name:
            continue
        samples = (folder / "work" / f"samples-{name}.npy").resolve()
        np.save(samples, np.asarray(images, np.float32).reshape(-1, *result["input_shape"]))
        entries.append(Entry(name, str(model), str(samples)))
    preset = settings.preset
    files = [c.architecture for c in settings.candidates if architectures.is_path(c.architecture)]
    try:
        costs = measure_models(
            entries,
            seconds=preset.measure_seconds,
            runtimes=preset.runtimes,
            threads=None if preset.careful else (1,),
            memory=preset.careful,
            packages=("architectures", *files),
            process=process,
        )
    except MeasurementError as error:
        _leave_out(plan, journal, display, str(error).splitlines()[-1])
        return
    for name, (trial, _) in winners.items():
        costs[name] = {**costs[same_as[name]], "trial": trial, "preprocessing_ms": preprocessing_ms}
        if same_as[name] != name:
            costs[name]["same_as"] = same_as[name]
    plan.state.apply(journal.append("done", piece=key, result={"costs": costs}))
    for entry in entries:
        Path(entry.samples).unlink(missing_ok=True)


def _leave_out(plan: Plan, journal, display: Display, reason: str) -> None:
    """Record that inference could not be measured; the next start tries again."""
    record = journal.append("failed", piece=plan.latency_key(), reason=reason, environment=True)
    plan.state.apply(record)
    display.say(f"inference was not measured: {reason}")


def _network(model: Path) -> bytes:
    """What a `.keras` file computes, whatever its weights: its configuration without the ids of objects."""
    with zipfile.ZipFile(model) as file:
        return re.sub(rb'"shared_object_id": \d+', b"", file.read("config.json"))


def _time_preprocessing(settings: Settings, stored: np.ndarray) -> float:
    """Median milliseconds from a stored sample to what a network sees."""
    samples = []
    for place in range(4 * len(stored)):
        one = stored[place % len(stored)][None]
        started = time.perf_counter()
        settings.task.prepare(one, settings.preprocessing)
        samples.append(1000 * (time.perf_counter() - started))
    return float(np.median(samples))
