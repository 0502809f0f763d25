"""Predictions inside `<task>.json`, small enough to commit, exact enough to test two reports against each other.

For each fold the test samples stand once: the true classes, and the subjects as 64-bit hashes of their
ids (so that another report's subjects can be recognised, while no id of a patient is published). For each
training there are the predicted classes; where the primary metric needs more than these (AUC, log loss, ...), the
probabilities in steps of 1/65535 instead. Arrays are deflated and in base64.
"""

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.evaluate.metrics import METRICS
from bench.evaluate.predictions import Run

# Metrics that are functions of true and predicted classes alone.
_OF_CLASSES = {
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "quadratic_weighted_kappa",
    "sensitivity",
    "specificity",
}
_STEPS = 65535


def pack(runs_by_name: Mapping[str, Sequence[Run]], metric: str) -> dict[str, Any]:
    """Pack the runs of several architectures, ready for JSON."""
    samples: list[dict[str, Any]] = []
    known: dict[bytes, int] = {}
    packed: dict[str, list[dict[str, Any]]] = {}
    for name, runs in runs_by_name.items():
        packed[name] = []
        for run in runs:
            y = np.asarray(run.y, np.uint16)
            subjects = _hashes(run.subjects)
            identity = y.tobytes() + subjects.tobytes()
            if identity not in known:
                known[identity] = len(samples)
                samples.append({"y": _encode(y), "subjects": _encode(subjects)})
            content = _probabilities(run) if needs_probabilities(metric) else _classes(run)
            packed[name].append({"fold": run.fold, "seed": run.seed, "samples": known[identity], **content})
    return {"metric": metric, "samples": samples, "runs": packed}


def unpack(packed: dict[str, Any], n_classes: int) -> dict[str, list[Run]]:
    """Undo `pack`; subjects are named by their hashes, predicted classes have the probability 1.

    Raises
    ------
    ValueError, KeyError : not what `pack` makes.
    """
    samples = [
        (
            _decode(each["y"], np.uint16).astype(np.int64),
            np.array([f"{value:016x}" for value in _decode(each["subjects"], np.uint64)]),
        )
        for each in packed["samples"]
    ]
    found: dict[str, list[Run]] = {}
    for name, runs in packed["runs"].items():
        found[name] = []
        for run in runs:
            y, subjects = samples[run["samples"]]
            if "probabilities" in run:
                columns = _decode(run["probabilities"], np.uint16).reshape(len(y), -1) / _STEPS
                probabilities = (
                    columns if columns.shape[1] == n_classes else np.hstack([1 - columns, columns])
                )
            else:
                probabilities = np.eye(n_classes)[_decode(run["classes"], np.uint16)]
            found[name].append(Run(y, probabilities, subjects, run["fold"], run["seed"]))
    return found


def needs_probabilities(metric: str) -> bool:
    """Whether a metric needs more than the predicted classes."""
    return metric in METRICS and metric not in _OF_CLASSES


def _classes(run: Run) -> dict[str, str]:
    return {"classes": _encode(run.probabilities.argmax(axis=1).astype(np.uint16))}


def _probabilities(run: Run) -> dict[str, str]:
    columns = run.probabilities[:, 1:] if run.n_classes == 2 else run.probabilities
    return {"probabilities": _encode(np.rint(np.clip(columns, 0, 1) * _STEPS).astype(np.uint16))}


def _hashes(subjects: np.ndarray) -> np.ndarray:
    digests = [hashlib.blake2b(str(subject).encode(), digest_size=8).digest() for subject in subjects]
    return np.frombuffer(b"".join(digests), dtype="<u8")


def _encode(array: np.ndarray) -> str:
    little = array.astype(array.dtype.newbyteorder("<"))
    return base64.b64encode(zlib.compress(little.tobytes(), 9)).decode()


def _decode(text: str, dtype: type) -> np.ndarray:
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.dtype(dtype).newbyteorder("<"))
    except zlib.error as error:
        raise ValueError(f"packed array: {error}") from error
