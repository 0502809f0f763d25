"""New scans: what a network says of each, how sure it is, whether it knows such scans, and where it looked."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.folders.folder import scans_below
from bench.data.folders.scan_checks import Found
from bench.data.formats import kind_of
from bench.deploy import familiarity, sheets
from bench.deploy.familiarity import Known
from bench.deploy.saved_network import Network
from bench.errors import UserError
from bench.tasks import Task

_BLOCK = 16


@dataclass(frozen=True)
class Prediction:
    """What is said of a scan."""

    path: Path
    probabilities: np.ndarray | None  # `[classes]`, calibrated; None where the file could not be read
    warnings: list[str]  # what makes it doubtful, in words


def predict(
    task: Task, network: Network, known: Known | None, source: Path, output: Path
) -> tuple[list[Prediction], list[Path]]:
    """Apply a network to files; writes a CSV and, beside it, sheets of what the network looked at.

    `known` is what the training data were like, None where that is not known; `source` a file, a DICOM series
    folder, or a folder that is searched for both; `output` the CSV: file, class, probability of each class,
    warnings. Returns what was said of each input, and the sheets.

    Raises UserError: nothing there that could be read.
    """
    from bench.deploy.explain import explain

    files = [source]
    if source.is_dir():
        files = [path for path in scans_below(source, Found()) if kind_of(path) is not None]
    if not files:
        raise UserError(f"INPUT={source}: found no image; expected PNG, NIfTI, Analyze, DICOM or .npy files")
    readable, stored, unread = _read(task, files, network)
    said, drawn = [], []
    for start in range(0, len(readable), _BLOCK):
        paths, block = readable[start : start + _BLOCK], stored[start : start + _BLOCK]
        x = prepared(task, network, block)
        found = probabilities(network, x)
        warnings: Sequence[list[str]] = [[]] * len(paths)
        if known is not None:
            warnings = familiarity.warnings(known, familiarity.features_of(network, x), block, paths)
        explanation = explain(network.models[0], x) if x.ndim in (4, 5) else None
        for place, path in enumerate(paths):
            said.append(Prediction(path, found[place], warnings[place]))
            if explanation is not None:
                best, mark = int(found[place].argmax()), " (!)" if warnings[place] else ""
                sure = f"{network.classes[best]} {100 * found[place][best]:.0f}%{mark}"
                caption = f"{path.name[-40:]}\n{sure}"
                drawn.append((sheets.picture(caption, x[place], explanation, place), explanation.method))
    everything = sorted([*said, *unread], key=lambda prediction: files.index(prediction.path))
    _write_csv(output, network.classes, everything)
    return everything, _draw(drawn, output)


def probabilities(network: Network, x: np.ndarray) -> np.ndarray:
    """Calibrated probabilities of prepared samples, float64 `[n, classes]`; of several networks their mean.

    Raises UserError: the samples do not have the shape that the network takes.
    """
    shape = network.models[0].input_shape[1:]
    if np.prod(x.shape[1:]) != np.prod(shape):
        raise UserError(
            f"MODEL={network.name}: found a network for samples of {'x'.join(map(str, shape))}; expected one "
            f"for {'x'.join(map(str, x.shape[1:]))}, which its preprocessing gives"
        )
    inputs = x.reshape(len(x), *shape)
    return np.mean(
        [np.asarray(model(inputs, training=False), np.float64) for model in network.models], axis=0
    )


def prepared(task: Task, network: Network, stored: np.ndarray) -> np.ndarray:
    """Stored samples as the network sees them; a UserError where it names preprocessing that the task lacks."""
    try:
        return np.asarray(task.prepare(stored, network.facts["preprocessing"]), np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"MODEL={network.name}: found preprocessing that {task.name} does not have ({error}); expected "
            f"choices of {', '.join(task.preprocessing)}"
        ) from error


def _read(task: Task, files: list[Path], network: Network) -> tuple[list[Path], np.ndarray, list[Prediction]]:
    """Read all files together; where one cannot be read, all the others."""
    preprocessing = network.facts["preprocessing"]
    try:
        return files, task.read(files, preprocessing), []
    except UserError as error:
        if len(files) == 1:
            raise
        failed = []
        for path in files:
            try:
                task.read([path], preprocessing)
            except UserError as reason:
                failed.append(Prediction(path, None, [f"not read: {reason}"]))
        readable = [path for path in files if path not in {prediction.path for prediction in failed}]
        if not failed or not readable:
            raise error
        return readable, task.read(readable, preprocessing), failed


def _write_csv(output: Path, classes: Sequence[str], predictions: Sequence[Prediction]) -> None:
    """A row for each input; class and probabilities are empty where the file could not be read."""
    with open(output, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "class", *classes, "warnings"])
        for prediction in predictions:
            row = prediction.probabilities
            told = [""] * (1 + len(classes))
            if row is not None:
                told = [classes[int(row.argmax())], *(f"{value:.6f}" for value in row)]
            writer.writerow([prediction.path, *told, "; ".join(prediction.warnings)])


def _draw(drawn: list[tuple[sheets.Picture, str]], output: Path) -> list[Path]:
    found = []
    for number, start in enumerate(range(0, len(drawn), sheets.SCANS), 1):
        part = drawn[start : start + sheets.SCANS]
        last = "" if len(drawn) <= sheets.SCANS else f"-{number}"
        found.append(output.with_name(f"{output.stem}{last}.png"))
        sheets.draw([picture for picture, _ in part], part[0][1], found[-1])
    return found
