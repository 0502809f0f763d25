"""A tested network as files that others can run: `.keras`, LiteRT and ONNX, checked against one another.

All three take a prepared sample and give calibrated probabilities. What is written is run before it is there: on
every test case of the run, each format must give the classes of Keras, and its probabilities to `TOLERANCE`.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.deploy import familiarity, model_card, run_network, saved_network
from bench.deploy.predict import probabilities
from bench.deploy.run_network import Chosen
from bench.deploy.saved_network import Network
from bench.errors import UserError
from bench.tasks import Task

_BLOCK = 32


def export(task: Task, chosen: Chosen, folder: Path) -> dict[str, Any]:
    """Write a folder with a network in all formats, what it needs to be used, and its model card.

    `model.keras`, `model.tflite` and `model.onnx`, the last two for one sample at a time; `model.json`: task,
    classes, preprocessing, calibration, and where it comes from; `known.npz`: what the training data were
    like; `README.md`: the model card. A `folder` with an export is replaced; it is there whole or not at all.
    Returns what `model.json` says.

    Raises UserError: the run's data are gone, a package is missing, or a format cannot take the network or
    gives other answers.
    """
    is_export = all((folder / name).is_file() for name in (saved_network.FACTS, saved_network.MODEL))
    if folder.is_file() or (folder.is_dir() and not is_export and any(folder.iterdir())):
        raise UserError(
            f"OUTPUT={folder}: found a folder of something else; expected a new one, or an export"
        )
    data = run_network.open_data(chosen, task)
    if data is None:
        raise UserError(
            f"{chosen.folder}: found its data gone or changed; expected them, to check what is exported: "
            "make bench brings them back"
        )
    network = run_network.open_network(chosen, task)
    _, dataset, fold, x = data
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        facts = {**network.facts, "input_shape": list(network.models[0].input_shape[1:]), "batch": 1}
        saved_network.save(building, network.models[:1], facts)
        facts["agreement"] = write_portable(network, x, fold.test, building)
        saved_network.write_facts(building, facts)
        familiarity.save(run_network.learn(data, network), building)
        (building / "README.md").write_text(
            model_card.text(task, chosen, facts, dataset, fold), encoding="utf-8"
        )
        building.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return facts


def write_portable(network: Network, x: np.ndarray, indices: np.ndarray, folder: Path) -> dict[str, Any]:
    """Write a network's LiteRT and ONNX files, and run all three formats on `x[indices]`.

    Returns of each format `cases` and the largest `difference` of a probability from that of the network in
    memory.
    """
    from bench.measure.runtimes import PORTABLE, ConversionError, version

    expected = _in_blocks(network, x, indices)
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
