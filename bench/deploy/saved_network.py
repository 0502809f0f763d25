"""Networks on disk: a folder with `model.keras` and `model.json`, which `pretrain` and `export` write.

Networks that are asked together lie beside it as `model-2.keras` and so on.

`model.json` says what the network is for: task, classes, preprocessing, and how it was trained. Such a folder
may come from anybody, so nothing in it is run: Keras' safe mode, no pickles.
"""

import json
import math
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import architectures
from bench.data.folders.resampled_folder import READING_VERSION
from bench.errors import UserError
from bench.tasks import Task
from bench.tasks.contract.plug_ins import load_file
from tuning import durable

if TYPE_CHECKING:
    import keras

MODEL, FACTS = "model.keras", "model.json"
TEMPERATURE, PROBABILITIES = "temperature", "probabilities"  # layers at the end of every network here
_NEEDED = {"task": str, "architecture": str, "classes": list, "preprocessing": dict}
_ORIGINS = {"run": "export", "history": "pretrain"}
_WRITTEN = ("model*.keras", FACTS, "model.tflite", "model.onnx", "known.npz", "README.md")


@dataclass(frozen=True)
class Network:
    """One network, or several that are asked together."""

    name: str  # in messages
    models: "tuple[keras.Model, ...]"  # each from prepared samples to calibrated probabilities `[n, classes]`
    facts: dict[str, Any]  # task, architecture, classes, preprocessing, and whatever else is known
    own: tuple[str, ...] = ()  # the file of an architecture that lies elsewhere

    @property
    def classes(self) -> list[str]:
        return list(self.facts["classes"])


def calibrated(network: "keras.Model", temperature: float) -> "keras.Model":
    """The network with its logits divided by `temperature` and a softmax behind; its layers are shared.

    One that has them already is returned as it is.
    """
    import keras

    if any(layer.name == PROBABILITIES for layer in network.layers):
        return network
    x = keras.layers.Rescaling(1 / temperature, name=TEMPERATURE)(network.output)
    return keras.Model(network.input, keras.layers.Softmax(name=PROBABILITIES)(x), name=network.name)


def save(folder: Path, networks: "Sequence[keras.Model]", facts: dict[str, Any]) -> Path:
    """Save networks that end in logits, or in what `calibrated` puts behind them, to be asked together."""
    durable.make_folder(folder)
    for place, network in enumerate(networks):
        temporary = folder / f"tmp-{os.getpid()}.keras"
        calibrated(network, facts.get("temperature", 1.0)).save(temporary)
        durable.replace(temporary, folder / _file(place))
    write_facts(folder, {**facts, "networks": len(networks)})
    return folder


@contextmanager
def replaced(folder: Path, origin: str) -> Iterator[Path]:
    """Give an empty folder to write to; what is in it takes the place of `folder` where nothing goes wrong.

    `origin` is a name in the `model.json` of networks that may be replaced: `run` of exported ones, `history` of
    those of `pretrain`.

    Raises UserError, before there is anything to write: `folder` holds anything but such a network, is the one that
    this runs in, or cannot be written.
    """
    place = folder.resolve()
    expected = f"expected a new folder, or one with networks of {_ORIGINS[origin]} alone"
    try:
        inside = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        others = [name for name in inside if not any(Path(name).match(mine) for mine in _WRITTEN)]
        if place == Path.cwd():
            raise UserError(f"OUTPUT={folder}: found the folder that this runs in; {expected}")
        if others or (inside and not _is_of(origin, place)):
            raise UserError(f"OUTPUT={folder}: found {(others or inside)[0]} of something else; {expected}")
        if place.exists() and not place.is_dir():
            raise UserError(f"OUTPUT={folder}: found a file; {expected}")
        durable.make_folder(place.parent)
        building = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    except OSError as error:
        raise UserError(
            f"OUTPUT={folder}: found what cannot be written ({error.strerror}); {expected}"
        ) from error
    try:
        (building / "new").mkdir()
        yield building / "new"
        if place.exists():
            place.rename(building / "old")
        durable.replace(building / "new", place)
    finally:
        if (building / "old").exists() and not place.exists():
            (building / "old").rename(place)
        shutil.rmtree(building, ignore_errors=True)


def _is_of(origin: str, folder: Path) -> bool:
    try:
        return (folder / MODEL).is_file() and origin in json.loads((folder / FACTS).read_text())
    except (OSError, ValueError, TypeError):
        return False


def code_of(task: Task) -> dict[str, Any]:
    """What is recorded of the code that brings a file before a network."""
    return {"preprocessing_code": task.digest(), "reading_version": READING_VERSION}


def changed_code(facts: dict[str, Any], task: Task) -> str:
    """Say which of this code is another than in training, or was not recorded yet, one line; "" where none is."""
    words = {"preprocessing_code": "preprocessing", "reading_version": "reading of files"}
    changed = [words[name] for name, now in code_of(task).items() if facts.get(name) != now]
    if not changed:
        return ""
    unknown = " or is not on record" if None in map(facts.get, words) else ""
    return f"the code for {' and '.join(changed)} has changed since training{unknown}"


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write `model.json`."""
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")


def _file(place: int) -> str:
    return f"{Path(MODEL).stem}-{place + 1}{Path(MODEL).suffix}" if place else MODEL


def command(task: Task, folder: str | Path, architecture: str) -> str:
    """The command that applies what is in `folder`."""
    words = ["scanbench", "predict", task.reference, "--model", str(folder), "--input", "scans"]
    return shlex.join([*words, *(["--arch", architecture] if architectures.is_path(architecture) else [])])


def load(folder: Path, task: Task, own: Sequence[str] = ()) -> Network:
    """Load what `save` has written; `own` as in `load_keras`.

    Raises UserError: there is none, it is another task's, or it is damaged.
    """
    try:
        facts = json.loads((folder / FACTS).read_text())
        wrong = [name for name, kind in _NEEDED.items() if not isinstance(facts.get(name), kind)]
    except (OSError, ValueError, AttributeError):
        raise UserError(
            f"MODEL={folder}: found no saved network; expected a folder with {MODEL} and {FACTS}"
        ) from None
    if "task" not in wrong and facts["task"] != task.name:
        raise UserError(f"MODEL={folder}: found a network for {facts['task']}; expected one for {task.name}")
    if wrong:
        raise UserError(f"{folder / FACTS}: found no {wrong[0]}; expected {', '.join(_NEEDED)}")
    _check_values(folder / FACTS, facts, task)
    models = []
    for place in range(facts.get("networks", 1)):
        path = folder / _file(place)
        network = load_keras(path, own)
        outputs, n = network.output_shape[-1], len(facts["classes"])
        if outputs != n:
            raise UserError(f"{path}: found a network of {outputs} classes; expected {n}, as {FACTS} says")
        models.append(calibrated(network, facts.get("temperature", 1.0)))
    return Network(folder.name, tuple(models), facts, tuple(own))


def _check_values(path: Path, facts: dict[str, Any], task: Task) -> None:
    """Raise a UserError for the first value of `model.json` that nothing here has written."""
    classes, networks, temperature = facts["classes"], facts.get("networks", 1), facts.get("temperature", 1.0)
    if not all(isinstance(name, str) for name in classes) or len(set(classes)) < len(classes):
        raise UserError(f"{path}: found classes {classes}; expected names, each once")
    if type(networks) is not int or networks < 1:
        raise UserError(f"{path}: found networks {networks!r}; expected a whole number from 1")
    if type(temperature) not in (int, float) or not 0 < temperature < math.inf:
        raise UserError(f"{path}: found temperature {temperature!r}; expected a number above 0")
    for name, value in facts["preprocessing"].items():
        option = task.preprocessing_options.get(name)
        if option is not None and not option.takes(value):
            raise UserError(f"{path}: found {name} {value!r}; expected {option.expected}")


def load_keras(path: Path, own: Sequence[str] = ()) -> "keras.Model":
    """Load a `.keras` file in safe mode: what is neither Keras' nor of `architectures` is refused, not run.

    `own` are architectures in files elsewhere that the user has named, whose layers are taken too.
    Raises UserError: it is damaged, or holds such things (a `Lambda`, say).
    """
    from bench.measure import saved_models  # brings Keras in

    for name in architectures.names():  # registers their layers with Keras
        architectures.load(name)
    for name in filter(architectures.is_path, own):
        load_file("ARCH", name, architectures.load, architectures.names())
    try:
        return saved_models.load_model(str(path))
    except Exception as error:  # a damaged file makes Keras raise many kinds
        what = saved_models.why_not_opened(error)
        raise UserError(
            f"{path}: found a network that cannot be opened ({what}); expected Keras' format, whole, with layers "
            "of Keras, scanbench or the file that ARCH names alone"
        ) from error
