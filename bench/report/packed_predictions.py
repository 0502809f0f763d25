"""Predictions inside `<task>.json`, small enough to commit, exact enough to test two reports against each other.

For each fold the test samples stand once: the true classes, and the subjects as 64-bit hashes of their
ids (so that another report's subjects can be recognised, while no id of a patient is published). For each
training there are the predicted classes; where the primary metric needs more than these (AUC, log loss, ...), the
probabilities as float32 instead. Arrays are deflated and in base64.
"""

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.evaluate.predictions import Run

# Metrics that are no functions of true and predicted classes alone.
_OF_PROBABILITIES = ("auc", "log_loss", "brier", "calibration_error")
_STEPS = 65535  # reports of before had probabilities in such parts, which made equals of those below one part


def pack(runs_by_name: Mapping[str, Sequence[Run]], metric: str) -> dict[str, Any]:
    """Pack the runs of several architectures, ready for JSON."""
    samples: list[dict[str, Any]] = []
    known: dict[bytes, int] = {}
    packed: dict[str, list[dict[str, Any]]] = {name: [] for name in runs_by_name}
    for name, runs in runs_by_name.items():
        for run in runs:
            y = run.y.astype("<u2")
            subjects = _hashes(run.subjects)
            identity = y.tobytes() + subjects.tobytes()
            if identity not in known:
                known[identity] = len(samples)
                samples.append({"y": _encode(y), "subjects": _encode(subjects)})
            if metric in _OF_PROBABILITIES:
                content = {"float32": _encode(run.probabilities.astype("<f4"))}
            else:
                content = {"classes": _encode(run.probabilities.argmax(axis=1).astype("<u2"))}
            packed[name].append({"fold": run.fold, "seed": run.seed, "samples": known[identity], **content})
    return {"metric": metric, "samples": samples, "runs": packed}


def unpack(packed: dict[str, Any], n_classes: int) -> dict[str, list[Run]]:
    """Undo `pack`; subjects are named by their hashes, predicted classes have the probability 1.

    Raises ValueError, KeyError: not what `pack` makes.
    """
    samples = [
        (
            _decode(each["y"], "<u2").astype(np.int64),
            np.array([f"{value:016x}" for value in _decode(each["subjects"], "<u8")]),
        )
        for each in packed["samples"]
    ]
    found: dict[str, list[Run]] = {name: [] for name in packed["runs"]}
    for name, runs in packed["runs"].items():
        for run in runs:
            y, subjects = samples[run["samples"]]
            if "float32" in run:
                probabilities = _decode(run["float32"], "<f4").reshape(len(y), n_classes)
            elif "probabilities" in run:
                probabilities = _decode(run["probabilities"], "<u2").reshape(len(y), -1) / _STEPS
                if probabilities.shape[1] != n_classes:
                    probabilities = np.hstack([1 - probabilities, probabilities])
            else:
                probabilities = np.eye(n_classes)[_decode(run["classes"], "<u2")]
            found[name].append(Run(y, probabilities, subjects, run["fold"], run["seed"]))
    return found


def _hashes(subjects: np.ndarray) -> np.ndarray:
    digests = [hashlib.blake2b(str(subject).encode(), digest_size=8).digest() for subject in subjects]
    return np.frombuffer(b"".join(digests), dtype="<u8")


def _encode(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()


def _decode(text: str, dtype: str) -> np.ndarray:
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)
    except zlib.error as error:
        raise ValueError(f"packed array: {error}") from error
