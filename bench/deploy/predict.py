"""New scans: what a network says of each, how sure it is, whether it knows such scans, and where it looked."""

import csv
import io
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.folders.folder import beside_series, scans_below
from bench.data.folders.scan_checks import Found
from bench.data.formats import kind_of, probe, read
from bench.data.formats.listing import unreadable_line
from bench.deploy import familiarity, saved_network, sheets
from bench.deploy.familiarity import Known
from bench.deploy.saved_network import Network
from bench.errors import UserError, printable
from bench.tasks import Task
from bench.tasks.contract.plug_ins import fault
from tuning import durable

_BLOCK = 16
_COLUMNS = ("file", "class", "warnings")  # of the CSV, beside those of the classes


@dataclass(frozen=True)
class Prediction:
    """What is said of a scan."""

    path: Path
    probabilities: np.ndarray | None  # `[classes]`, calibrated; None where the file could not be read
    warnings: list[str]  # what makes it doubtful, in words


def find_scans(source: Path, output: Path) -> tuple[list[Path], list[Path]]:
    """The inputs of `predict`, and what is passed over: files of no format that is read, or beside a DICOM series.

    `source` is a file, a DICOM series folder, or a folder that is searched for both; sheets that `predict` has made
    are none.

    Raises UserError: nothing there that could be read, or `output`, or a sheet beside it, cannot be written
    without the loss of a file that is no output of `predict`.
    """
    try:
        found = scans_below(source, Found()) if source.is_dir() else [source]
        beside = [other for path in found if kind_of(path) == "dicom" for other in beside_series(path)]
        made = [path for path in (*found, *beside) if path.suffix.lower() == ".png" and sheets.is_one(path)]
        readable = [path for path in found if path == source or kind_of(path) is not None]
        files = [path for path in readable if path not in made]
    except OSError as error:
        raise UserError(unreadable_line(error, source)) from error
    if not files:
        raise UserError(f"INPUT={source}: found no image; expected PNG, NIfTI, Analyze, DICOM or .npy files")
    _check_output(output, files)
    return files, sorted({*found, *beside} - {*files, *made})


def _check_output(output: Path, files: list[Path]) -> None:
    if output.suffix.lower() != ".csv":
        raise UserError(f"OUTPUT={output}: found another suffix; expected .csv")
    if output.resolve() in {path.resolve() for path in files}:
        raise UserError(f"OUTPUT={output}: found one of the images to predict; expected another name")
    pictures = [*sheets.names(output, 1), *sheets.names(output, len(files))]
    taken = next((path for path in pictures if path.exists() and not sheets.is_one(path)), None)
    if taken is not None:
        raise UserError(
            f"OUTPUT={output}: found {taken}, which is no picture of predict's; expected another name"
        )
    try:
        if output.exists():
            with output.open("r+", encoding="utf-8", errors="replace") as file:
                header = file.readline().strip()
            if header and not (header.startswith("file,class,") and header.endswith(",warnings")):
                raise UserError(f"OUTPUT={output}: found a file that is not predict's; expected another name")
        there = next(folder for folder in output.absolute().parents if folder.exists())
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise UserError(
            f"OUTPUT={output}: found what cannot be written ({error.strerror}); expected a CSV"
        ) from error


def predict(
    task: Task, network: Network, known: Known | None, files: list[Path], output: Path
) -> tuple[list[Prediction], list[Path]]:
    """Apply a network to files; writes a CSV and, beside it, sheets of what the network looked at.

    `known` is what the training data were like, None where that is not known; `files` and `output` are as
    `find_scans` has checked them. The CSV says file, class, probability of each class, warnings. Sheets of an
    earlier call that this one does not replace are removed. Returns what was said of each input, and the sheets.

    Raises UserError: none of the files can be read.
    """
    from bench.deploy.explain import explain

    readable, stored, unread = _read(task, files, network)
    changed = saved_network.changed_code(network.facts, task)
    said, drawn = [], []
    for start in range(0, len(readable), _BLOCK):
        paths, block = readable[start : start + _BLOCK], stored[start : start + _BLOCK]
        x = prepared(task, network, block)
        found = probabilities(network, x)
        headers = [_facts(path) for path in paths]
        warnings = [
            [*_doubts(path, facts), *([changed] if changed else [])]
            for path, facts in zip(paths, headers, strict=True)
        ]
        if known is not None:
            unlike = familiarity.warnings(known, familiarity.features_of(network, x), block, headers)
            warnings = [[*more, *other] for more, other in zip(unlike, warnings, strict=True)]
        best = found.argmax(axis=1)
        explanation = explain(network.models[0], x, best) if x.ndim in (4, 5) else None
        for place, path in enumerate(paths):
            said.append(Prediction(path, found[place], warnings[place]))
            if explanation is not None:
                mark = " (!)" if warnings[place] else ""
                sure = f"{network.classes[best[place]]} {100 * found[place].max():.0f}%{mark}"
                caption = f"{printable(path.name[-40:])}\n{sure}"
                drawn.append((sheets.picture(caption, x[place], explanation, place), explanation.method))
    places = {path: place for place, path in enumerate(files)}
    everything = sorted([*said, *unread], key=lambda prediction: places[prediction.path])
    _write_csv(output, network.classes, everything)
    return everything, _draw(drawn, output)


def _facts(path: Path) -> dict[str, Any]:
    """Facts of a file; none where a task of somebody's own reads a format that nothing here does."""
    try:
        return read(path).facts
    except UserError:
        return {}


def _doubts(path: Path, facts: dict[str, Any]) -> list[str]:
    """Values that are none, and what resampling a volume assumes of where its slices lie, and is not so."""
    n = int(facts.get("non_finite", 0))
    said = [f"values that are NaN or infinite, taken for background: {n}"] if n else []
    with suppress(UserError):
        found = probe(path)
        said += [found[name] for name in ("tilt", "spacing") if name in found]
    return said


def probabilities(network: Network, x: np.ndarray) -> np.ndarray:
    """Calibrated probabilities of prepared samples, float64 `[n, classes]`; of several networks their mean.

    Raises UserError: the samples do not have the shape that the network takes.
    """
    shape, found = tuple(network.models[0].input_shape[1:]), x.shape[1:]
    is_vector = len(shape) == 1 and np.prod(found) == shape[0]
    if not is_vector and _without_channel(shape) != _without_channel(found):
        raise UserError(
            f"MODEL={network.name}: found a network for samples of {'x'.join(map(str, shape))}; expected one "
            f"for {'x'.join(map(str, found))}, which its preprocessing gives"
        )
    inputs = x.reshape(len(x), *shape)
    return np.mean(
        [np.asarray(model(inputs, training=False), np.float64) for model in network.models], axis=0
    )


def _without_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if shape[-1] == 1 else shape


def prepared(task: Task, network: Network, stored: np.ndarray) -> np.ndarray:
    """Stored samples as the network sees them; a UserError where it names preprocessing that the task lacks."""
    try:
        return np.asarray(task.prepare(stored, network.facts["preprocessing"]), np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign(task, network, error) from error


def _foreign(task: Task, network: Network, error: Exception) -> UserError:
    return UserError(
        f"MODEL={network.name}: found preprocessing that {task.name} does not have ({error}); expected "
        f"choices of {', '.join(task.preprocessing)}"
    )


def _read(task: Task, files: list[Path], network: Network) -> tuple[list[Path], np.ndarray, list[Prediction]]:
    """Read all files together; where that cannot be, one by one those that can be read and that fit the network."""
    try:
        return files, _stored(task, files, network), []
    except UserError:
        if len(files) == 1:
            raise
        readable: dict[Path, np.ndarray] = {}
        reasons: dict[Path, UserError] = {}
        for path in files:
            try:
                stored = _stored(task, [path], network)
                probabilities(network, prepared(task, network, stored))
                first = next(iter(readable.values()), stored)
                if first.shape != stored.shape:
                    shown, expected = ("x".join(map(str, one.shape[1:])) for one in (stored, first))
                    raise UserError(f"{path}: found {shown}; expected {expected}, as others have")
                readable[path] = stored
            except UserError as reason:
                reasons[path] = reason
        if not readable:
            raise next(iter(reasons.values())) from None
        failed = [Prediction(path, None, [f"not read: {reason}"]) for path, reason in reasons.items()]
        return list(readable), np.concatenate(list(readable.values())), failed


def _stored(task: Task, files: list[Path], network: Network) -> np.ndarray:
    try:
        return task.read(files, network.facts["preprocessing"])
    except UserError:
        raise
    except Exception as error:
        if task.file is not None:  # what its own `read` raises, whatever it is, is of these files
            raise UserError(fault("TASK", str(task.file), error)) from error
        if isinstance(error, KeyError):
            raise _foreign(task, network, error) from error
        raise


def _write_csv(output: Path, classes: Sequence[str], predictions: Sequence[Prediction]) -> None:
    """A row for each input; class and probabilities are empty where the file could not be read."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(
        ["file", "class", *(f"p({name})" if name in _COLUMNS else name for name in classes), "warnings"]
    )
    for prediction in predictions:
        row = prediction.probabilities
        told = [""] * (1 + len(classes))
        if row is not None:
            told = [classes[int(row.argmax())], *(f"{value:.6f}" for value in row)]
        # A name that a spreadsheet would take for a formula is a path all the same.
        path = f"./{prediction.path}" if str(prediction.path)[0] in "=+-@" else prediction.path
        writer.writerow([path, *told, "; ".join(prediction.warnings)])
    output.parent.mkdir(parents=True, exist_ok=True)
    durable.write(output.resolve(), file.getvalue().encode(errors="backslashreplace"))


def _draw(drawn: list[tuple[sheets.Picture, str]], output: Path) -> list[Path]:
    old, new = sheets.of(output), sheets.names(output, len(drawn))
    for number, path in enumerate(new):
        part = drawn[number * sheets.SCANS : (number + 1) * sheets.SCANS]
        sheets.draw([picture for picture, _ in part], part[0][1], path)
    for path in set(old) - set(new):
        path.unlink()
    return new
