"""The model card of an exported network: data, protocol, table row, intended use, limits.

After Mitchell et al. 2019, "Model cards for model reporting", FAT*.
"""

from typing import Any

import numpy as np
import pandas as pd

from bench.data.dataset import Dataset
from bench.data.splits import Fold
from bench.deploy.familiarity import ALARMS
from bench.deploy.run_network import Chosen
from bench.report import formatting
from bench.report.markdown import code, escape, prose, table
from bench.report.markdown import facts as fact_table
from bench.tasks import Task

_STAND_IN = (
    "> **Trained on stand-in data**, generated or substituted. Nothing here says how it does on real ones: "
    "not for use on anybody's scans."
)
_NAMES = {"keras": "`model.keras`", "litert": "`model.tflite`", "onnxruntime": "`model.onnx`"}


def text(task: Task, chosen: Chosen, facts: dict[str, Any], dataset: Dataset, fold: Fold) -> str:
    """The card as markdown.

    `facts` is what `model.json` says, `fold` that whose train and validation part the network was trained on.
    """
    blocks = [
        f"# {escape(facts['title'])}: {escape(chosen.content.title)}",
        *([_STAND_IN] if facts["data"]["stand_in"] else []),
        *_use(facts),
        *_results(chosen, facts),
        *_data(facts, dataset, fold),
        *_protocol(chosen, facts),
        *_preprocessing(task, facts),
        *_limits(chosen, facts),
        *_how(task, facts),
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
    rows, metric = chosen.content.rows, chosen.content.metric
    found = rows[rows.architecture == chosen.assessment.name].iloc[0]
    title = formatting.metric_title(metric)
    shown = [
        (
            f"Test {title} [95% interval]",
            formatting.with_limits(metric, found.test, found.test_low, found.test_high),
        ),
        (f"Validation {title}", formatting.value(metric, found.validation)),
        ("Parameters", formatting.whole(found.parameters)),
    ]
    if found.inference_ms is not None:
        time = f"{formatting.number(found.inference_ms)} ms in Keras on one thread"
        shown.append(("Inference, one sample", time))
    shown += [
        (escape(formatting.metric_title(name)), formatting.value(name, value))
        for name, value in chosen.assessment.metrics.items()
        if name != metric and "[" not in name
    ]
    this = chosen.runs[0].seed
    lines = [
        "## Results",
        fact_table("Mean over seeds", shown),
        f"The row of the report's table: the mean of all refits (seeds: {found.seeds}, folds: "
        f"{found.folds}) on test subjects that no decision has seen. This network is the refit with "
        f"seed {this} in the first fold, which was not chosen by its result.",
    ]
    calibration = facts["calibration"]
    if calibration["subjects"]:
        lines += [
            f"*Calibration*: logits divided by {facts['temperature']:.3f}, fitted to what the same "
            f"hyperparameters predicted on {calibration['subjects']} validation subjects that they had not been "
            f"trained on. Log loss of this network on test: {calibration['test']['before']:.4f} before, "
            f"{calibration['test']['after']:.4f} after.",
        ]
    return lines


def _data(facts: dict[str, Any], dataset: Dataset, fold: Fold) -> list[str]:
    data = facts["data"]
    parts = {"Trained on": np.concatenate([fold.train, fold.validation]), "Tested on": fold.test}
    counts = pd.DataFrame({"": list(parts)})
    counts["Subjects"] = [f"{len(np.unique(dataset.subjects[part])):,}" for part in parts.values()]
    for label, name in enumerate(dataset.classes):
        counts[escape(name)] = [f"{np.sum(dataset.y[part] == label):,}" for part in parts.values()]
    return [
        "## Data",
        f"{escape(data['name'])} (fingerprint {code(data['fingerprint'])}): {prose(data['provenance'])}",
        table(counts),
    ]


def _protocol(chosen: Chosen, facts: dict[str, Any]) -> list[str]:
    command = chosen.content.source.sweep["command"]
    plan = chosen.assessment.entry.plan
    values = ", ".join(f"{name} {value}" for name, value in sorted(facts["values"].items()))
    return [
        "## Protocol",
        f"A {escape(plan['tuner'])} search (trials: {plan['trials']}, epochs of each: {plan['epochs']}), scored on "
        "validation subjects; the best was trained again on train and validation together. No subject is in two "
        f"parts. Trial {facts['trial']}: {escape(values)}.",
        f"Made by {prose(f'`{command}`')}, run {code(facts['run'])}.",
    ]


def _preprocessing(task: Task, facts: dict[str, Any]) -> list[str]:
    choices = [(code(name), escape(value)) for name, value in facts["preprocessing"].items()]
    words = [escape(task.preprocessing_words)] if task.preprocessing_words else []
    return ["## Preprocessing", *words, fact_table("Choice", choices)]


def _limits(chosen: Chosen, facts: dict[str, Any]) -> list[str]:
    notes = chosen.content.source.sweep.get("notes", [])
    limits = [
        "The results hold for scans like those it was tested on: the same scanners, protocols and mix of "
        "patients. Probabilities assume the share of classes in the data.",
        f"`scanbench predict` warns of scans that lie farther from the training data than about "
        f"{100 * (1 - ALARMS):.0f}% of the test scans; one without a warning may still be unlike them.",
        "What a heat map shows is where the network looked, not why, and no proof that it is right.",
        "`known.npz` holds the network's features of the training samples, no images: whoever may not pass on "
        "anything made from them deletes it, and the warnings with it.",
        *(f"Of the data: {prose(note)}" for note in notes),
    ]
    return ["## Limits", "\n".join(f"- {limit}" for limit in limits)]


def _how(task: Task, facts: dict[str, Any]) -> list[str]:
    shape = " x ".join(map(str, facts["input_shape"]))
    agreement = pd.DataFrame(
        [
            (_NAMES[name], f"{found['cases']:,}", f"{found['difference']:.1e}")
            for name, found in facts["agreement"].items()
        ],
        columns=["File", "Test cases run", "Largest difference of a probability"],
    )
    return [
        "## How to use it",
        f"```sh\nscanbench predict {task.name} --model FOLDER --input scans\n```",
        f"Each file takes a prepared sample, float32 {shape} (LiteRT and ONNX one at a time), and gives the "
        "calibrated probability of each class. Without scanbench's commands:",
        f"```python\n{USAGE.format(task=task.name)}```",
        table(agreement),
        "The classes were the same in all of them.",
    ]


USAGE = """\
import json
from pathlib import Path
import onnxruntime
from bench import tasks

facts, task = json.loads(Path("model.json").read_text()), tasks.load("{task}")
stored = task.read([Path("scan.nii.gz")], facts["preprocessing"])
x = task.prepare(stored, facts["preprocessing"]).reshape(-1, *facts["input_shape"])
[probabilities] = onnxruntime.InferenceSession("model.onnx").run(None, {{"input:0": x[:1]}})
print(dict(zip(facts["classes"], probabilities[0])))
"""
