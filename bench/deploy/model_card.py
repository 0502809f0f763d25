"""The model card of an exported network: data, protocol, table row, intended use, limits.

After Mitchell et al. 2019, "Model cards for model reporting", FAT*.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data.dataset import Dataset
from bench.data.splits import Fold
from bench.deploy import saved_network
from bench.deploy.calibration import scaled
from bench.deploy.familiarity import ALARMS
from bench.deploy.run_network import Chosen
from bench.evaluate import metrics
from bench.report import formatting, statistics
from bench.report.markdown import code, escape, prose, table
from bench.report.markdown import facts as fact_table
from bench.report.markdown_report import SMOKE
from bench.tasks import FROZEN, Task

_STAND_IN = (
    "> **Trained on stand-in data**, generated or substituted. Nothing here says how it does on real ones: "
    "not for use on anybody's scans."
)
_STARTS = {
    "scratch": "random weights",
    "phantom": "the weights of a training on generated images",
    "imagenet": "weights trained on ImageNet",
}
_NAMES = {"keras": "`model.keras`", "litert": "`model.tflite`", "onnxruntime": "`model.onnx`"}


def text(task: Task, chosen: Chosen, facts: dict[str, Any], dataset: Dataset, fold: Fold) -> str:
    """The card as markdown.

    `facts` is what `model.json` says, `fold` that whose train and validation part the network was trained on.
    """
    blocks = [
        f"# {escape(facts['title'])}: {escape(chosen.content.title)}",
        *([_STAND_IN] if facts["data"]["stand_in"] else []),
        *([SMOKE] if chosen.assessment.entry.plan["preset"] == "smoke" else []),
        *_use(facts),
        *_results(chosen, facts),
        *_data(facts, dataset, fold),
        *_protocol(chosen, facts),
        "## Preprocessing",
        *([escape(task.preprocessing_words)] if task.preprocessing_words else []),
        fact_table("Choice", [(code(name), escape(value)) for name, value in facts["preprocessing"].items()]),
        *_limits(chosen, facts, dataset, fold),
        *_how(task, facts, chosen.architecture),
    ]
    return "\n\n".join(blocks) + "\n"


def _use(facts: dict[str, Any]) -> list[str]:
    classes = ", ".join(escape(name) for name in facts["classes"])
    return [
        "## Intended use",
        f"Research on the question above: it tells apart {classes}, one scan at a time, and gives a probability "
        "for each. It is not a medical device and has not been tested as one; it makes no diagnosis, and nobody "
        "should be treated by what it says.",
    ]


def _results(chosen: Chosen, facts: dict[str, Any]) -> list[str]:
    row, metric = _row(chosen), chosen.content.metric
    title = escape(chosen.content.metric_title)
    calibration = facts["calibration"]
    before = ", before calibration" if metrics.get(metric).graded and calibration["subjects"] else ""
    shown = [
        (
            f"Test {title} [95% interval]{before}",
            formatting.with_limits(metric, row.test, row.test_low, row.test_high),
        ),
        (f"Validation {title}", formatting.value(metric, row.validation)),
        ("Parameters", formatting.whole(row.parameters)),
    ]
    if row.inference_ms is not None:
        time = f"{formatting.number(row.inference_ms)} ms in Keras on one thread"
        shown.append(("Inference, one sample", time))
    # In other folds the temperature may have been fitted to what is tested there.
    runs = [
        replace(run, probabilities=scaled(run.probabilities, facts["temperature"]))
        for run in chosen.assessment.entry.runs
        if run.fold == chosen.runs[0].fold
    ]
    after = {name: value for name, value in statistics.estimates(runs).items() if metrics.get(name).graded}
    after = after if calibration["subjects"] else {}
    shown += [
        (
            escape(formatting.metric_title(name, facts["classes"]))
            + (", calibrated" if name in after else ""),
            formatting.value(name, after.get(name, value)),
        )
        for name, value in chosen.assessment.metrics.items()
        if (name != metric or name in after) and "[" not in name
    ]
    this = chosen.runs[0].seed
    tested = [a for a in chosen.content.networks if a.test is not None]
    best = (
        f" It is the best of the {len(tested)} networks of the report on these very subjects, which its numbers "
        "are not corrected for."
    )
    lines = [
        "## Results",
        fact_table("Mean over seeds", shown),
        f"The row of the report's table: the mean of all refits (seeds: {row.seeds}, folds: {row.folds}) on test "
        "subjects that no search has seen; those called calibrated are with this network's temperature, and of its "
        "fold alone."
        f"{best if len(tested) > 1 and chosen.assessment is tested[0] else ''} This network is the refit with seed "
        f"{this} in the first fold, which was not chosen by its result.",
    ]
    if row.status != "done":
        lines.append(f"**Not finished** when this was exported: {escape(row.progress)}.")
    if calibration["subjects"]:
        lines += [
            f"*Calibration*: logits divided by {facts['temperature']:.3f}, fitted to what the same "
            f"hyperparameters predicted on {calibration['subjects']} validation subjects that they had not been "
            f"trained on. Log loss of this network on test: {calibration['test']['before']:.4f} before, "
            f"{calibration['test']['after']:.4f} after."
        ]
    return lines


def _data(facts: dict[str, Any], dataset: Dataset, fold: Fold) -> list[str]:
    data = facts["data"]
    parts = {
        "This network was trained on": np.concatenate([fold.train, fold.validation]),
        "This network was tested on": fold.test,
    }
    counts = pd.DataFrame({"": list(parts)})
    counts["Subjects"] = [f"{len(np.unique(dataset.subjects[part])):,}" for part in parts.values()]
    for label, name in enumerate(dataset.classes):
        counts[f"Samples, {escape(name)}"] = [
            f"{np.sum(dataset.y[part] == label):,}" for part in parts.values()
        ]
    return [
        "## Data",
        f"{escape(data['name'])} (fingerprint {code(data['fingerprint'])}): {prose(data['provenance'])}",
        table(counts),
    ]


def _row(chosen: Chosen) -> Any:
    rows = chosen.content.rows
    return rows[rows.architecture == chosen.assessment.name].iloc[0]


def _protocol(chosen: Chosen, facts: dict[str, Any]) -> list[str]:
    sweep, plan, row = chosen.content.source.sweep, chosen.assessment.entry.plan, _row(chosen)
    values = ", ".join(f"{name} {value}" for name, value in sorted(facts["values"].items()))
    inner = sweep["identity"]["splits"].get("inner", 1)
    scored = (
        f"all training and validation subjects in turn ({inner} inner folds)"
        if inner > 1
        else "validation subjects"
    )
    start = next(c["transfer"] for c in plan["candidates"] if c["name"] == chosen.assessment.name)
    command = sweep["command"]
    return [
        "## Protocol",
        f"A {escape(plan['tuner'])} search ({row.trials_done} of {row.trials_planned} trials finished, folds: "
        f"{plan['folds']}, up to {plan['epochs']} epochs each), scored on {scored}; the best was trained again on "
        f"train and validation together, from {_STARTS[start.removesuffix(FROZEN)]}"
        f"{', of which nothing but the head was trained' if start.endswith(FROZEN) else ''}. No subject is in two "
        f"parts. Trial {facts['trial']}: {escape(values)}.",
        f"Made by {prose(f'`{command}`')}, run {code(facts['run'])}.",
    ]


def _limits(chosen: Chosen, facts: dict[str, Any], dataset: Dataset, fold: Fold) -> list[str]:
    notes = chosen.content.source.sweep.get("notes", [])
    counts = np.bincount(
        dataset.y[np.concatenate([fold.train, fold.validation])], minlength=len(dataset.classes)
    )
    shares = ", ".join(
        f"{escape(name)} {share:.1%}"
        for name, share in zip(dataset.classes, counts / counts.sum(), strict=True)
    )
    frequencies = f"Probabilities assume that classes are as frequent as in the training data ({shares})."
    if facts["values"].get("balance", "none") != "none":
        frequencies = (
            "Classes were balanced in training, so probabilities assume that all are equally frequent. Where they "
            f"are as frequent as in the training data ({shares}), multiply each by its share and divide by the sum."
        )
    n = len(fold.test)
    usual = (
        f"about {1 - ALARMS:.0%} of the {n} test scans"
        if n >= 1 / ALARMS - 1
        else f"any of the {n} test scans"
    )
    limits = [
        "The results hold for scans like those it was tested on: the same scanners, protocols and mix of "
        f"patients. {frequencies}",
        f"`scanbench predict` warns of scans that lie farther from the training data than {usual}; one without a "
        "warning may still be unlike them.",
        "What a heat map shows is where the network looked, not why, and no proof that it is right.",
        "`known.npz` holds the network's features of the training samples, no images: whoever may not pass on "
        "anything made from them deletes it, and the warnings with it.",
        *(f"Of the data: {prose(note)}" for note in notes),
    ]
    return ["## Limits", "\n".join(f"- {limit}" for limit in limits)]


def _how(task: Task, facts: dict[str, Any], architecture: str) -> list[str]:
    shape = " x ".join(map(str, facts["input_shape"]))
    agreement = pd.DataFrame(
        [
            (_NAMES[name], f"{found['cases']:,}", f"{found['difference']:.1e}")
            for name, found in facts["agreement"].items()
        ],
        columns=["File", "Test cases run", "Largest difference of a probability"],
    )
    command = saved_network.command(task, "FOLDER", Path(architecture).name)
    usage = ["Without scanbench's commands:", f"```python\n{USAGE.format(task=task.reference)}```"]
    return [
        "## How to use it",
        *([f"```sh\n{command}\n```"] if task.reads_files() else []),
        f"Each file takes a prepared sample, float32 {shape} (LiteRT and ONNX one at a time), and gives the "
        "calibrated probability of each class.",
        *(usage if task.reads_files() else []),
        table(agreement),
        "The classes were the same in all of them.",
    ]


USAGE = """\
import json
from pathlib import Path
import onnxruntime
from bench import tasks

facts, task = json.loads(Path("model.json").read_text()), tasks.load({task!r})
stored = task.read([Path("scan")], facts["preprocessing"])
x = task.prepare(stored, facts["preprocessing"]).reshape(-1, *facts["input_shape"])
[probabilities] = onnxruntime.InferenceSession("model.onnx").run(None, {{"input:0": x[:1]}})
print(dict(zip(facts["classes"], probabilities[0])))
"""
