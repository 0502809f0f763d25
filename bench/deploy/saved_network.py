"""Networks on disk: a folder with `model.keras` and `model.json`, which `pretrain` and `export` write.

Networks that are asked together lie beside it as `model-2.keras` and so on.

`model.json` says what the network is for: task, classes, preprocessing, and how it was trained. Such a folder
may come from anybody, so nothing in it is run: Keras' safe mode, no pickles.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import architectures
from bench.errors import UserError
from bench.tasks import Task
from tuning import durable

if TYPE_CHECKING:
    import keras

MODEL, FACTS = "model.keras", "model.json"
TEMPERATURE, PROBABILITIES = "temperature", "probabilities"  # layers at the end of every network here
_NEEDED = {"task": str, "architecture": str, "classes": list, "preprocessing": dict}


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


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write `model.json`."""
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")


def _file(place: int) -> str:
    return f"{Path(MODEL).stem}-{place + 1}{Path(MODEL).suffix}" if place else MODEL


def load(folder: Path, task: Task) -> Network:
    """Load what `save` has written; a UserError where there is none, it is another task's, or it is damaged."""
    try:
        facts = json.loads((folder / FACTS).read_text())
        wrong = [name for name, kind in _NEEDED.items() if not isinstance(facts.get(name), kind)]
    except (OSError, ValueError, AttributeError):
        raise UserError(
            f"MODEL={folder}: found no saved network; expected a folder with {MODEL} and {FACTS}"
        ) from None
    temperature = facts.get("temperature", 1.0)
    if not isinstance(temperature, float) or temperature <= 0:
        wrong.append("temperature above 0")
    if "task" not in wrong and facts["task"] != task.name:
        raise UserError(f"MODEL={folder}: found a network for {facts['task']}; expected one for {task.name}")
    if wrong:
        raise UserError(f"{folder / FACTS}: found no {wrong[0]}; expected {', '.join(_NEEDED)}")
    models = []
    for place in range(int(facts.get("networks", 1))):
        path = folder / _file(place)
        network = load_keras(path)
        outputs, n = network.output_shape[-1], len(facts["classes"])
        if outputs != n:
            raise UserError(f"{path}: found a network of {outputs} classes; expected {n}, as {FACTS} says")
        models.append(calibrated(network, temperature))
    return Network(folder.name, tuple(models), facts)


def load_keras(path: Path, own: Sequence[str] = ()) -> "keras.Model":
    """Load a `.keras` file in safe mode: what is neither Keras' nor of `architectures` is refused, not run.

    `own` are architectures in files elsewhere that the user has named, whose layers are taken too.
    Raises UserError: it is damaged, or holds such things (a `Lambda`, say).
    """
    import keras

    for name in [*architectures.names(), *own]:  # registers their layers with Keras
        architectures.load(name)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file makes Keras raise many kinds
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{path}: found a damaged network ({what}); expected Keras' format, with layers of Keras or scanbench"
        ) from error
