"""The files that a work item leaves: how far it is, and what it found."""

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.sources.download import sha256_of
from bench.measure.memory import Repeated
from tuning import durable

_SPEAK_SECONDS = 2.0


class Stopped(Exception):
    """The sweep asked for an orderly end; the checkpoint then holds everything up to the last epoch."""


class Progress:
    """Tells the sweep how far a piece is, by a small file, and hears from it whether to stop."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._path = Path(description["work"] + ".progress")
        self._stop = Path(description["stop"])
        self._who = {
            "pid": os.getpid(),
            **({"worker": description["worker"]} if "worker" in description else {}),
        }
        self._last = description.get("until") or description.get("epochs")
        self._path.parent.mkdir(exist_ok=True)
        self._write({"epoch": 0, "epochs": description.get("epochs")})

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Say every few seconds that data are being prepared: a sweep may not wait as long for an epoch."""
        started = time.monotonic()

        def speak() -> None:
            with suppress(OSError):
                self._write({"epoch": 0, "preparing": time.monotonic() - started})

        speaking = Repeated(_SPEAK_SECONDS, speak)
        try:
            yield
        finally:
            speaking.stop()

    def epoch(self, record: dict) -> None:
        """Note a finished epoch.

        Raises Stopped: the sweep is to end, and there are epochs left; after the last, what is found is soon
        recorded.
        """
        self._write(record)
        if self._stop.exists() and record["epoch"] != self._last:
            raise Stopped

    def _write(self, content: dict) -> None:
        durable.write(self._path, json.dumps({**content, **self._who}))


def save_predictions(description, dataset, indices: np.ndarray, probabilities: np.ndarray) -> dict:
    subjects = dataset.subjects[indices].astype(str)
    kept = {"y": dataset.y[indices], "probabilities": probabilities, "subjects": subjects, "indices": indices}
    return save(description, "predictions", ".npz", lambda path: np.savez(path, **kept))


def save(description, kind: str, suffix: str, write) -> dict[str, Any]:
    """Write a file under a temporary name, then rename it; the journal will name it with its hash.

    The name is nobody else's, on no other machine either: a worker that was given up may still be writing.
    """
    relative = Path(kind) / (description["piece"].replace("/", "-") + suffix)
    path = Path(description["folder"]) / relative
    durable.make_folder(path.parent)
    temporary = path.with_name(f"tmp-{uuid.uuid4().hex}-{path.name}")
    write(temporary)
    durable.replace(temporary, path)
    return {"path": str(relative), "sha256": sha256_of(path), "bytes": path.stat().st_size}
