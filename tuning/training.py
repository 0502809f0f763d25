"""One training in a program: epochs, balance of the classes, history, checkpoints."""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tuning import durable
from tuning.program import SCHEDULES, Program

BALANCES = ("none", "oversample", "weighted")
# Of an epoch: ten subjects are seen several times in it, or a training of forty epochs had forty steps.
LEAST_STEPS = 4
# At least between two checkpoints: a killed process loses its current epoch and no more than that before it.
CHECKPOINT_SECONDS = 1.0
_CURVE_POINTS = 10  # of a learning curve: predicting on as many samples as an epoch has takes a third of it
_CHUNK_BYTES = 64 * 2**20
_BLOCK_BYTES = 2 * 2**20  # augmented and trained on in one call: what a processor's cache holds


class Diverged(ArithmeticError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Samples:
    """Some samples of an array that may be a memory map: `x[indices]`, `y[indices]`."""

    x: np.ndarray
    y: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def labels(self) -> np.ndarray:
        """Labels, int `[n]`."""
        return self.y[self.indices]


@dataclass(frozen=True)
class Recipe:
    """The training hyperparameters of one training."""

    epochs: int
    batch_size: int
    # "none"; "oversample": samples of the rarer classes are drawn again at random until all classes are
    # as frequent; "weighted": the loss of a sample is weighted inversely to its class.
    balance: str = "none"
    settings: dict[str, float] = field(default_factory=dict)  # the variables of the program

    @classmethod
    def from_values(cls, values: dict[str, Any], epochs: int, stable: float = 0.0) -> "Recipe":
        """Make a recipe from training hyperparameters by name; `epochs` unless they name their own.

        `stable` is the share of the training before its learning rate begins to fall.
        """
        rest = dict(values)
        epochs = int(rest.pop("epochs", epochs))
        batch_size = int(rest.pop("batch_size"))
        balance = str(rest.pop("balance", "none"))
        if balance not in BALANCES:
            raise ValueError(f"balance {balance!r}: expected one of {', '.join(BALANCES)}")
        rest["schedule"] = SCHEDULES[rest.get("schedule", "constant")]
        settings = {name: float(value) for name, value in rest.items()}
        return cls(epochs, batch_size, balance, {**settings, "stable": stable})


class Checkpoint:
    """The state of a training after its last finished epoch, in one file that is replaced whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, state: list[np.ndarray], history: list[dict]) -> None:
        """Write to a temporary name, then rename. A zip's checksums tell a damaged file at the next start."""
        durable.make_folder(self.path.parent)
        temporary = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.tmp")
        arrays: dict[str, Any] = {f"state{i}": array for i, array in enumerate(state)}
        with open(temporary, "wb") as file:
            np.savez(file, history=np.array(json.dumps(history)), **arrays)
        durable.replace(temporary, self.path)

    def load(self) -> tuple[list[np.ndarray], list[dict]] | None:
        """Return state and history; None if there is none, or none that can be read."""
        try:
            with np.load(self.path) as file:
                state = [file[f"state{i}"] for i in range(len(file.files) - 1)]
                return state, json.loads(str(file["history"]))
        # Any exception: a zip whose directory is damaged makes its reader raise half a dozen kinds.
        except Exception:
            return None


def steps_per_epoch(labels: np.ndarray, recipe: Recipe, n_classes: int) -> int:
    """Steps that `train` takes in an epoch; what is left of the last batch is not trained on."""
    return len(_epoch_order(labels, recipe, n_classes, np.random.default_rng(0))) // recipe.batch_size


def _epoch_order(labels: np.ndarray, recipe: Recipe, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of the samples of one epoch, shuffled; with oversampling, some of them several times.

    Where that is fewer than `LEAST_STEPS` batches, all of them come again, shuffled anew, until there are
    as many.
    """
    positions = np.arange(len(labels))
    if recipe.balance == "oversample":
        counts = np.bincount(labels, minlength=n_classes)
        extra = [
            rng.choice(np.flatnonzero(labels == label), counts.max() - count)
            for label, count in enumerate(counts)
            if count
        ]
        positions = np.concatenate([positions, *extra])
    passes = max(-(-LEAST_STEPS * recipe.batch_size // len(positions)), 1)
    return np.concatenate([rng.permutation(positions) for _ in range(passes)])


def _class_weights(labels: np.ndarray, balance: str, n_classes: int) -> np.ndarray:
    """Weight of each class in the loss, float32 `[n_classes]`, 1 on average over the samples."""
    if balance != "weighted":
        return np.ones(n_classes, np.float32)
    counts = np.bincount(labels, minlength=n_classes)
    present = np.count_nonzero(counts)
    return np.where(counts, len(labels) / (present * np.maximum(counts, 1)), 0).astype(np.float32)


def train(
    program: Program,
    training: Samples,
    recipe: Recipe,
    seed: int,
    n_classes: int,
    *,
    validation: Samples | None = None,
    start: Sequence[np.ndarray | None] | None = None,
    checkpoint: Checkpoint | None = None,
    until: int | None = None,
    on_epoch: Callable[[dict], None] = lambda record: None,
) -> list[dict]:
    """Train from the seed's initial weights, or go on from the checkpoint.

    Parameters
    ----------
    until : epochs after which it stops, to go on from the checkpoint another time; None: all of the recipe's.
    validation : scored after every tenth of the epochs, and after the last, for the learning curve; it decides
        nothing here.
    start : pretrained weights of everything but the head (`Program.backbone`), or None; None among them
        stays random.
    checkpoint : written every `CHECKPOINT_SECONDS` at the end of an epoch, after the last of `until`, and where
        `on_epoch` raises.
    on_epoch : called with each epoch's record; an exception that it raises ends the training.

    Returns the history, a record an epoch: epoch, loss, accuracy, seconds, and val_loss, val_accuracy where it was
    scored.

    Raises Diverged: the loss is infinite or not a number.
    """
    labels = training.labels()
    weights = _class_weights(labels, recipe.balance, n_classes)
    steps = steps_per_epoch(labels, recipe, n_classes)
    program.reset(seed, recipe.settings, steps * recipe.epochs, start)
    history: list[dict] = []
    last = recipe.epochs if until is None else until
    # One that is further is of a later rung, where the record of this one was damaged.
    if checkpoint and (saved := checkpoint.load()) and len(saved[1]) <= last:
        state, history = saved
        program.set_state(state)
    every = -(-recipe.epochs // _CURVE_POINTS)
    kept = time.perf_counter()
    for epoch in range(len(history), last):
        started = time.perf_counter()
        rng = np.random.default_rng([seed, epoch])
        order = _epoch_order(labels, recipe, n_classes, rng)[: steps * recipe.batch_size]
        loss, accuracy = _run_epoch(program, training, labels, weights, order, recipe.batch_size)
        seconds = time.perf_counter() - started
        record = {"epoch": epoch + 1, "loss": loss, "accuracy": accuracy, "seconds": round(seconds, 4)}
        if not np.isfinite(loss):
            raise Diverged(f"the loss is {loss} after epoch {epoch + 1} of {recipe.epochs}")
        if validation is not None and ((epoch + 1) % every == 0 or epoch + 1 == last):
            record.update(_validate(program, validation))
        history.append(record)
        goes_on = checkpoint if epoch + 1 < recipe.epochs else None
        due = epoch + 1 == last or time.perf_counter() - kept >= CHECKPOINT_SECONDS
        if goes_on and due:
            goes_on.save(program.state(), history)
            kept = time.perf_counter()
        try:
            on_epoch(record)
        except Exception:
            if goes_on and not due:
                goes_on.save(program.state(), history)
            raise
    return history


def steps_a_call(sample_shape: Sequence[int], batch_size: int) -> int:
    """How many batches a training takes in one compiled call, while its samples last."""
    return max(_BLOCK_BYTES // (4 * int(np.prod(sample_shape)) * batch_size), 1)


def _run_epoch(program, training, labels, weights, order, batch_size) -> tuple[float, float]:
    """Run one epoch, a block of batches in each compiled call."""
    chunk = steps_a_call(training.x.shape[1:], batch_size) * batch_size
    sums = np.zeros(2)
    for start in range(0, len(order), chunk):
        part = order[start : start + chunk]
        x = np.asarray(training.x[training.indices[part]], np.float32)
        y = labels[part]
        sums += np.multiply(program.run(x, y, weights[y], batch_size), len(part))
    loss, accuracy = sums / len(order)
    return float(loss), float(accuracy)


def _validate(program: Program, validation: Samples) -> dict[str, float]:
    probabilities, y = predict(program, validation), validation.labels()
    chosen = np.clip(probabilities[np.arange(len(y)), y], 1e-12, 1)
    return {
        "val_loss": float(-np.log(chosen).mean()),
        "val_accuracy": float((probabilities.argmax(axis=1) == y).mean()),
    }


def predict(program: Program, samples: Samples) -> np.ndarray:
    """Class probabilities of the samples, float64 `[n, n_classes]`, a chunk in memory at a time.

    Raises Diverged: a probability is not a number, because the last step of a training spoilt the weights.
    """
    sample_bytes = 4 * int(np.prod(samples.x.shape[1:]))
    chunk = max(_CHUNK_BYTES // sample_bytes, 1)
    probabilities = np.concatenate(
        [
            program.predict(np.asarray(samples.x[samples.indices[start : start + chunk]], np.float32))
            for start in range(0, len(samples), chunk)
        ]
    )
    if not np.isfinite(probabilities).all():
        raise Diverged("a predicted probability is not a number")
    return probabilities
