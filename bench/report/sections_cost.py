"""What the winners cost: in each runtime, in memory and energy, in training, and what the search cost."""

from collections.abc import Callable
from statistics import median
from typing import Any

import pandas as pd

from bench.report import formatting
from bench.report.markdown import escape, prose, table, without_paths
from bench.report.results import Content
from bench.report.statistics import Assessment
from bench.sweep.state import State

_RUNTIMES = {"keras": "Keras", "litert": "LiteRT", "onnxruntime": "ONNX Runtime"}


def blocks(content: Content) -> list[str]:
    """The section "Cost"."""
    found = [*_runtimes(content), *_holding(content), *_training(content), *_search(content)]
    return ["## Cost", *found] if found else []


def _titles(assessments: list[Assessment]) -> list[str]:
    return [escape(a.entry.title) for a in assessments]


def _runtimes(content: Content) -> list[str]:
    measured = [a for a in content.networks if a.entry.cost.get("runtimes")]
    columns = _columns(measured)
    problems = _problems(content)
    if not columns:
        return problems
    single = pd.DataFrame({"ms a sample at batch 1: median (p95)": _titles(measured)})
    batched = pd.DataFrame({"Samples a second at batch 32": _titles(measured)})
    for runtime, threads in columns:
        title = f"{_RUNTIMES.get(runtime, runtime)}, {threads} thread{'' if threads == '1' else 's'}"
        found = [a.entry.cost["runtimes"].get(runtime, {"status": formatting.NONE}) for a in measured]
        times = [each.get("threads", {}).get(threads) for each in found]
        single[title] = [
            formatting.median_p95(time["inference_ms"], time["inference_p95_ms"])
            if time
            else escape(each["status"])
            for each, time in zip(found, times, strict=True)
        ]
        batched[title] = [formatting.number(time["throughput_32"] if time else None) for time in times]
    return [
        "### Inference",
        table(single),
        table(batched),
        f"On the processor named below, nothing else running. {_machine(measured)}",
        *_shared(content),
        *problems,
    ]


def _machine(measured: list[Assessment]) -> str:
    """How steady and how fast the machine was while it was timed."""
    drift = max(a.entry.cost.get("machine_drift") or 1.0 for a in measured)
    timings = [a.entry.cost["runtimes"].get("keras", {}).get("threads", {}).get("1") for a in measured]
    known = [timing for timing in timings if timing]
    rates = [timing["reference_gflops"] for timing in known if "reference_gflops" in timing]
    stray = median([timing["inference_p95_ms"] / timing["inference_ms"] for timing in known] or [1.0])
    return (
        f"A fixed matrix product, timed among the models, took {formatting.number(drift)} times as long in its "
        f"slowest round as in its fastest, and of a network's calls one in twenty took {formatting.number(stray)} "
        "times as long as its median one, or longer"
        + (": the machine was not steady." if drift > 1.2 or stray > 2 else ".")
        + (f" One thread did it at {formatting.number(median(rates))} GFLOP/s." if rates else "")
    )


def _shared(content: Content) -> list[str]:
    """Which networks were not measured themselves."""
    titles = {a.name: a.entry.title for a in content.networks}
    shared = {a.entry.title: titles.get(a.entry.cost.get("same_as", "")) for a in content.networks}
    found = [f"{escape(title)} as {escape(other)}" for title, other in shared.items() if other]
    return [f"The same network but for its weights, and measured once: {', '.join(found)}."] if found else []


def _columns(measured: list[Assessment]) -> list[tuple[str, str]]:
    """Runtimes and numbers of threads that anything was timed with, Keras on one thread first."""
    found = {
        (runtime, threads)
        for a in measured
        for runtime, described in a.entry.cost["runtimes"].items()
        for threads in described["threads"]
    }
    order = list(_RUNTIMES)
    return sorted(found, key=lambda c: (int(c[1]), order.index(c[0]) if c[0] in order else 99, c[0]))


def _problems(content: Content) -> list[str]:
    """What could not be measured, and why."""
    found = []
    for a in content.networks:
        cost, name = a.entry.cost, escape(a.entry.title)
        if cost.get("status") == "failed":
            found.append(f"- {name}: {prose(cost['reason'])}")
        if cost and cost.get("macs") is None and cost.get("macs_reason"):
            found.append(f"- {name}, MACs: {prose(cost['macs_reason'])}")
        for runtime, described in cost.get("runtimes", {}).items():
            if described["status"] != "measured":
                reason = without_paths(described["reason"] or "no reason given")
                found.append(
                    f"- {name} in {_RUNTIMES.get(runtime, runtime)}: {described['status']}: {escape(reason)}"
                )
    for key, reason in content.source.state.failed.items():
        if key.startswith(("latency/", "timing/")):
            found.append(f"- {escape(key.split('/')[0])}: {prose(reason)}")
    return ["Not measured:", "\n".join(found)] if found else []


def _holding(content: Content) -> list[str]:
    measured = [a for a in content.networks if a.entry.cost]
    columns = {
        "Size on disk": ("bytes_on_disk", formatting.size),
        "Trainable parameters": ("trainable_parameters", formatting.whole),
        "Peak memory, inference": ("peak_memory_bytes", formatting.size),
        "Energy of 1,000 inferences, J": ("energy_1000_inferences_joules", formatting.number),
        "Preprocessing, ms a sample": ("preprocessing_ms", formatting.number),
    }
    shown = _columns_of([a.entry.cost for a in measured], columns)
    shown = shown.loc[:, (shown != formatting.NONE).any()]
    if shown.empty:
        return []
    shown.insert(0, "Winner of the first fold", _titles(measured))
    notes = ["Size: of the `.keras` file."]
    if any(a.entry.cost.get("peak_memory_bytes") for a in measured):
        notes.append("Peak memory: above an idle TensorFlow, model included, at batch 1.")
    methods = {method for a in measured if (method := a.entry.cost.get("energy_method"))}
    notes += [f"Energy, in Keras at batch 1: {escape(method)}." for method in sorted(methods)]
    return ["### Size, memory, energy", table(shown), " ".join(notes)]


def _columns_of(measured: list[dict], columns: dict[str, tuple[str, Callable[[Any], str]]]) -> pd.DataFrame:
    """A column for each title in `columns`: what was measured under a name, written by a function."""
    return pd.DataFrame(
        {title: [write(each.get(name)) for each in measured] for title, (name, write) in columns.items()}
    )


def _training(content: Content) -> list[str]:
    timed = [a for a in content.networks if a.entry.timing]
    if not timed:
        return []
    columns = {
        "ms a step": ("step_seconds", lambda seconds: formatting.number(1000 * seconds)),
        "Batch": ("batch_size", formatting.whole),
        "s an epoch": ("epoch_seconds", formatting.number),
        "Epochs": ("epochs", formatting.whole),
        "s of features": ("before_seconds", lambda seconds: formatting.number(seconds or None)),
        "s in all": ("training_seconds", formatting.number),
        "s of tracing": ("tracing_seconds", formatting.number),
        "Peak memory": ("memory_bytes", formatting.size),
        "Energy, J": ("energy_joules", formatting.number),
    }
    shown = _columns_of([a.entry.timing for a in timed], columns)
    for title in ("Energy, J", "s of features"):
        if (shown[title] == formatting.NONE).all():
            del shown[title]
    shown.insert(0, "One refit", _titles(timed))
    methods = sorted({method for a in timed if (method := a.entry.timing.get("energy_method"))})
    devices = sorted({a.entry.timing.get("device", "processor") for a in timed} - {"processor"})
    return [
        "### Training",
        table(shown),
        "Steps on real batches, timed alone after the sweep (median); tracing is paid once for a structure and "
        "worker, and was timed then. Peak memory: of the whole process, TensorFlow and the data it has open "
        "included."
        + (
            " Features: of the samples and their varied views, for a head alone."
            if "s of features" in shown
            else ""
        )
        + "".join(f" Trained on a GPU: {escape(device)}." for device in devices)
        + "".join(f" Energy: {escape(method)}." for method in methods),
    ]


def _search(content: Content) -> list[str]:
    rows = content.rows[content.rows.search_seconds.notna()]
    if rows.empty:
        return []
    tested = content.trainings.query("stage == 'refit'").groupby("architecture").seconds.sum()
    refits = rows.architecture.map(tested).where(rows.kind == "network")
    shown = pd.DataFrame(
        {
            "Search": rows.title.map(escape),
            "Trials": [f"{row.trials_done} of {row.trials_planned}" for row in rows.itertuples()],
            "Time of all": rows.search_seconds.map(formatting.duration),
            "a trial": (rows.search_seconds / rows.trials_done.clip(lower=1)).map(formatting.duration),
            "Refits": refits.map(formatting.duration),
        }
    )
    return [
        "### What the search cost",
        table(shown),
        "Time that workers were busy, with several of them at once where there were several; of a reference, "
        f"its grid and its test together.{_share(content.source.state)}",
    ]


def _share(state: State) -> str:
    """How much of the workers' time went into trainings."""
    if not state.worker_seconds:
        return ""
    share = min(1.0, state.training_seconds() / state.worker_seconds)
    return (
        f" Of all the time that the workers had, {share:.0%} went into trainings and their tests, those of "
        "ablations and pretraining included; the rest into starting, preparing data, measuring and waiting."
    )
