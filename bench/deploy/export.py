"""A tested network as files that others can run: `.keras`, LiteRT and ONNX, checked against one another.

All three take a prepared sample and give calibrated probabilities. What is written is run before it is there: on
every test case of the run, each format must give the classes of Keras, and its probabilities to `TOLERANCE`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from bench.deploy import familiarity, model_card, run_network, saved_network
from bench.deploy.calibration import scaled
from bench.deploy.predict import probabilities
from bench.deploy.run_network import Chosen
from bench.deploy.saved_network import Network
from bench.errors import UserError
from bench.tasks import Task

_BLOCK = 32
# How far probabilities may be from those that the run has recorded, perhaps on a GPU, whose products have 11 bits
# (TensorFloat-32), or in bfloat16, which has 8.
_AS_RECORDED, _AS_RECORDED_MIXED = 0.01, 0.1


def export(task: Task, chosen: Chosen, folder: Path) -> dict[str, Any]:
    """Write into an empty folder a network in all formats, what it needs to be used, and its model card.

    `model.keras`, `model.tflite` and `model.onnx`, the last two for one sample at a time; `model.json`: task,
    classes, preprocessing, calibration, and where it comes from; `known.npz`: what the training data were
    like; `README.md`: the model card. Returns what `model.json` says.

    Raises UserError: the run's data are gone, a package is missing, the network is not what the run has tested, or
    a format cannot take it or gives other answers.
    """
    network = run_network.open_network(chosen, task)
    data = run_network.open_data(chosen, task)
    if data is None:
        raise UserError(
            f"{chosen.folder}: found its data gone or changed; expected them, to check what is exported: "
            "make bench brings them back"
        )
    _, dataset, fold, x = data
    expected = _in_blocks(network, x, fold.test)
    _check_recorded(chosen, network, expected, dataset.y[fold.test])
    facts = {**network.facts, "input_shape": list(network.models[0].input_shape[1:]), "batch": 1}
    facts["preprocessing_code"] = task.digest()  # whatever it was in training, its answers are the same
    saved_network.save(folder, network.models[:1], facts)
    facts["agreement"] = write_portable(network, x, fold.test, expected, folder)
    saved_network.write_facts(folder, facts)
    familiarity.save(run_network.learn(data, network), folder)
    (folder / "README.md").write_text(model_card.text(task, chosen, facts, dataset, fold), encoding="utf-8")
    return facts


def _check_recorded(chosen: Chosen, network: Network, found: np.ndarray, y: np.ndarray) -> None:
    """Raise a UserError where the run has tested other cases, or recorded other probabilities of them."""
    [run] = chosen.runs
    recorded = scaled(run.probabilities, network.facts["temperature"])
    if not np.array_equal(run.y, y):
        raise UserError(f"{chosen.folder}: found predictions of other test cases; expected those of its data")
    mixed = chosen.content.source.sweep["identity"].get("precision") == "mixed"
    tolerance = _AS_RECORDED_MIXED if mixed else _AS_RECORDED
    difference = float(np.abs(found - recorded).max())
    if not difference <= tolerance:
        raise UserError(
            f"{chosen.folder}: found probabilities of test cases up to {difference:.1e} from those that the run "
            f"has recorded; expected them within {tolerance:.0e} (has the code for preprocessing changed since?)"
        )


def write_portable(
    network: Network, x: np.ndarray, indices: np.ndarray, expected: np.ndarray, folder: Path
) -> dict[str, Any]:
    """Write a network's LiteRT and ONNX files, and run all three formats on `x[indices]`.

    `expected` is what the network in memory says of these. Returns of each format `cases` and the largest
    `difference` of a probability from that.
    """
    from bench.measure.runtimes import PORTABLE, ConversionError, version

    loaded = saved_network.load_keras(folder / saved_network.MODEL, network.own)
    written = Network("model.keras", (loaded,), network.facts)
    found = {"keras": _compare("keras", expected, _in_blocks(written, x, indices))}
    shape = tuple(network.models[0].input_shape[1:])
    for runtime in PORTABLE.values():
        try:
            version(runtime)
            path = folder / f"model{runtime.suffix}"
            path.write_bytes(runtime.convert(network.models[0], 1, shape))
            predict = runtime.load(path.read_bytes(), 1)
        except ImportError as error:
            raise UserError(f"{error}; expected the extra `runtimes`: pip install -e .[runtimes]") from None
        except ConversionError as error:
            raise UserError(
                f"MODEL={network.name}: found a network that cannot be converted ({error})"
            ) from None
        samples = (np.asarray(x[index], np.float32).reshape(1, *shape) for index in indices)
        answers = np.concatenate([np.array(predict(sample)) for sample in samples])
        found[runtime.name] = _compare(runtime.name, expected, answers)
    return found


def _in_blocks(network: Network, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    blocks = (indices[start : start + _BLOCK] for start in range(0, len(indices), _BLOCK))
    return np.concatenate([probabilities(network, np.asarray(x[block], np.float32)) for block in blocks])


def _compare(name: str, expected: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    from bench.measure.runtimes import TOLERANCE

    difference = float(np.abs(found - expected).max())
    others = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
    if others or not difference <= TOLERANCE:
        raise UserError(
            f"{name}: found {others} other classes in {len(expected)} test cases and probabilities up to "
            f"{difference:.1e} off; expected the same classes, within {TOLERANCE:.0e}: nothing was exported"
        )
    return {"cases": len(expected), "difference": difference}
