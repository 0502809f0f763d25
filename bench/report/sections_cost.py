"""What the winners cost: in each runtime, in memory and energy, in training, and what the search cost."""

from typing import Any

from bench.report import formatting
from bench.report.markdown import escape, table, without_paths
from bench.report.result_rows import search_seconds, trials
from bench.report.results import Content
from bench.report.statistics import Assessment

_RUNTIMES = {"keras": "Keras", "litert": "LiteRT", "onnxruntime": "ONNX Runtime"}


def lines(content: Content) -> list[str]:
    """The section "Cost"."""
    found = [*_runtimes(content), *_holding(content), *_training(content), *_search(content)]
    return ["## Cost", "", *found] if found else []


def _measured(content: Content) -> list[Assessment]:
    return [a for a in content.networks if a.entry.cost.get("runtimes")]


def _runtimes(content: Content) -> list[str]:
    measured = _measured(content)
    columns = _columns(measured)
    problems = _problems(content)
    if not columns:
        return problems
    header = [f"{_RUNTIMES.get(runtime, runtime)}, {_threads(number)}" for runtime, number in columns]
    single = [[escape(a.entry.title), *(_single(a, *column) for column in columns)] for a in measured]
    batched = [[escape(a.entry.title), *(_batched(a, *column) for column in columns)] for a in measured]
    drift = max((a.entry.cost.get("machine_drift") or 1.0 for a in measured), default=1.0)
    return [
        "### Inference",
        "",
        *table(["ms a sample at batch 1: median (p95)", *header], single),
        *table(["Samples a second at batch 32", *header], batched),
        f"On the processor named below, nothing else running. A fixed piece of work, timed among the models, took "
        f"{formatting.number(drift)} times as long in its slowest round as in its fastest"
        + (": the machine was not steady." if drift > 1.2 else "."),
        "",
        *problems,
    ]


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


def _threads(number: str) -> str:
    return "1 thread" if number == "1" else f"{number} threads"


def _timing(a: Assessment, runtime: str, threads: str) -> dict[str, Any] | None:
    return a.entry.cost["runtimes"].get(runtime, {}).get("threads", {}).get(threads)


def _single(a: Assessment, runtime: str, threads: str) -> str:
    timing = _timing(a, runtime, threads)
    if timing is None:
        return escape(a.entry.cost["runtimes"].get(runtime, {}).get("status", formatting.NONE))
    return f"{formatting.number(timing['inference_ms'])} ({formatting.number(timing['inference_p95_ms'])})"


def _batched(a: Assessment, runtime: str, threads: str) -> str:
    timing = _timing(a, runtime, threads)
    return formatting.number(timing["throughput_32"]) if timing else formatting.NONE


def _problems(content: Content) -> list[str]:
    """What could not be measured, and why."""
    found = []
    for a in content.networks:
        cost, name = a.entry.cost, escape(a.entry.title)
        if cost.get("status") == "failed":
            found.append(f"- {name}: {escape(without_paths(cost['reason']))}")
        if cost and cost.get("macs") is None and cost.get("macs_reason"):
            found.append(f"- {name}, MACs: {escape(without_paths(cost['macs_reason']))}")
        for runtime, described in cost.get("runtimes", {}).items():
            if described["status"] != "measured":
                reason = without_paths(described["reason"] or "no reason given")
                found.append(
                    f"- {name} in {_RUNTIMES.get(runtime, runtime)}: {described['status']}: {escape(reason)}"
                )
    for key, reason in content.source.state.failed.items():
        if key.startswith(("latency/", "timing/")):
            found.append(f"- {escape(key.split('/')[0])}: {escape(without_paths(reason))}")
    return ["Not measured:", "", *found, ""] if found else []


def _holding(content: Content) -> list[str]:
    columns = {
        "Size on disk": lambda cost: formatting.size(cost.get("bytes_on_disk")),
        "Trainable parameters": lambda cost: formatting.whole(cost.get("trainable_parameters")),
        "Peak memory, inference": lambda cost: formatting.size(cost.get("peak_memory_bytes")),
        "Energy of 1,000 inferences, J": lambda cost: formatting.number(
            cost.get("energy_1000_inferences_joules")
        ),
        "Preprocessing, ms a sample": lambda cost: formatting.number(cost.get("preprocessing_ms")),
    }
    measured = [a for a in content.networks if a.entry.cost]
    cells = [[make(a.entry.cost) for make in columns.values()] for a in measured]
    kept = [k for k in range(len(columns)) if any(row[k] != formatting.NONE for row in cells)]
    if not kept:
        return []
    header = ["Winner of the first fold", *(list(columns)[k] for k in kept)]
    rows = [[escape(a.entry.title), *(row[k] for k in kept)] for a, row in zip(measured, cells, strict=True)]
    notes = ["Size: of the `.keras` file."]
    if any(a.entry.cost.get("peak_memory_bytes") for a in measured):
        notes.append("Peak memory: above an idle TensorFlow, model included, at batch 1.")
    methods = {method for a in measured if (method := a.entry.cost.get("energy_method"))}
    notes += [f"Energy, in Keras at batch 1: {escape(method)}." for method in sorted(methods)]
    return ["### Size, memory, energy", "", *table(header, rows), " ".join(notes), ""]


def _training(content: Content) -> list[str]:
    timed = [a for a in content.networks if a.entry.timing]
    if not timed:
        return []
    energy = any(a.entry.timing.get("energy_joules") is not None for a in timed)
    header = [
        "One refit",
        "ms a step",
        "Batch",
        "s an epoch",
        "Epochs",
        "s in all",
        "s of tracing",
        "Peak memory",
    ]
    rows = []
    for a in timed:
        t = a.entry.timing
        row = [
            escape(a.entry.title),
            formatting.number(1000 * t["step_seconds"]),
            formatting.whole(t.get("batch_size")),
            formatting.number(t["epoch_seconds"]),
            formatting.whole(t.get("epochs")),
            formatting.number(t["training_seconds"]),
            formatting.number(t.get("tracing_seconds")),
            formatting.size(t.get("memory_bytes")),
        ]
        rows.append([*row, formatting.number(t.get("energy_joules"))] if energy else row)
    methods = sorted({method for a in timed if (method := a.entry.timing.get("energy_method"))})
    return [
        "### Training",
        "",
        *table([*header, "Energy, J"] if energy else header, rows),
        "Steps on real batches, timed alone after the sweep (median); tracing is paid once for a structure. Peak "
        "memory: of the whole process, TensorFlow and the data it has open included."
        + "".join(f" Energy: {escape(method)}." for method in methods),
        "",
    ]


def _search(content: Content) -> list[str]:
    rows = []
    for a in content.assessments:
        seconds = search_seconds(a.entry)
        if seconds is None:
            continue
        done, planned = trials(a.entry)
        refits = sum(refit.result["seconds"] for refit in a.entry.refits) if a.entry.is_network else None
        rows.append(
            [
                escape(a.entry.title),
                f"{done} of {planned}",
                formatting.duration(seconds),
                formatting.duration(seconds / max(done, 1)),
                formatting.duration(refits),
            ]
        )
    if not rows:
        return []
    return [
        "### What the search cost",
        "",
        *table(["Search", "Trials", "Time of all", "a trial", "Refits"], rows),
        "Time that workers were busy, with several of them at once where there were several; of a reference, "
        "its grid and its test together.",
        "",
    ]
