"""A process that kills itself at every write, once each: before it, half-way, unsynced, and after it."""

import io
import json
import os
import pathlib
import re
import signal
from pathlib import Path
from typing import Any


class Deaths:
    """Where a sweep has died already.

    Parameters
    ----------
    path : a file that outlives the process; a line for each death.
    root : only writes below this folder count.
    allowed : a label that does not match is passed over.
    stride : of the labels that are left, every so many is taken.
    """

    def __init__(self, path: Path, root: Path, allowed: str = "", stride: int = 1) -> None:
        self.path, self.root, self.stride = path, str(root.resolve()), stride
        self._allowed = re.compile(allowed)
        self._seen = set(path.read_text().splitlines()) if path.exists() else set()

    def due(self, label: str) -> bool:
        """Say whether to die here; the answer is yes once for each label."""
        label = re.sub(r"[\r\n]", " ", label)
        if not self._allowed.search(label) or label in self._seen:
            return False
        self._seen.add(label)
        with open(self.path, "a") as file:
            file.write(label + "\n")
        return len(self._seen) % self.stride == 0

    def at(self, label: str) -> None:
        """Die here, if nobody has."""
        if self.due(label):
            die()

    def below(self, path: Any) -> bool:
        """Say whether a path belongs to the sweep."""
        return isinstance(path, str | Path) and os.path.abspath(path).startswith(self.root)


def die() -> None:
    """End at once: no buffer is flushed, no handler runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def install(deaths: Deaths) -> None:
    """Put a place to die before, into and after every write that a sweep makes."""
    syncing = _journal(deaths)
    _fsync(deaths, syncing)
    _replace(deaths)
    _texts(deaths)
    _arrays(deaths)
    _models(deaths)


def _name(path: Any) -> str:
    """A file's name without what makes it this process' own."""
    name = Path(os.fspath(path)).name
    return re.sub(r"tmp-[0-9a-f]+-|\.[0-9a-f]+(?=\.tmp$)|\.tmp$|^\.", "", name)


def _journal(deaths: Deaths) -> list[str]:
    """Events; returns what is being appended, for `_fsync`."""
    from bench.sweep.journal import Journal

    append, current = Journal.append, []

    def appended(self, event, **content):
        label = f"journal, {event} {content.get('piece', '')}"
        deaths.at(f"{label}: before")
        if deaths.due(f"{label}: half a line"):
            line = json.dumps({"event": event, **content}).encode()
            self._file.write(line[: len(line) // 2])
            die()
        current.append(label)
        record = append(self, event, **content)
        current.clear()
        deaths.at(f"{label}: after")
        return record

    Journal.append = appended  # type: ignore[method-assign]
    return current


def _fsync(deaths: Deaths, appending: list[str]) -> None:
    fsync = os.fsync

    def synced(descriptor):
        if appending:
            deaths.at(f"{appending[0]}: written, not synced")
        return fsync(descriptor)

    os.fsync = synced


def _replace(deaths: Deaths) -> None:
    replace = os.replace

    def replaced(source, target, **options):
        if not deaths.below(target):
            return replace(source, target, **options)
        label = f"rename to {Path(target).name}{_epoch(source)}"
        deaths.at(f"{label}: before")
        result = replace(source, target, **options)
        deaths.at(f"{label}: after")
        return result

    os.replace = replaced  # type: ignore[assignment]


def _epoch(path: Any) -> str:
    """Of which epoch a note or a checkpoint speaks."""
    if ".progress" not in str(path):
        return ""
    return f", epoch {json.loads(Path(path).read_text()).get('epoch')}"


def _texts(deaths: Deaths) -> None:
    """Small files: notes of progress, the cache's description, tables."""
    from bench.data.caches import cached_dataset

    def torn(write, name):
        def written(path, content, *rest, **options):
            if deaths.below(path) and deaths.due(f"{name} {_name(path)}: half"):
                write(path, content[: len(content) // 2], *rest, **options)
                die()
            return write(path, content, *rest, **options)

        return written

    pathlib.Path.write_text = torn(pathlib.Path.write_text, "text")  # type: ignore[method-assign]
    pathlib.Path.write_bytes = torn(pathlib.Path.write_bytes, "bytes")  # type: ignore[method-assign]
    cached_dataset._write_synced = torn(cached_dataset._write_synced, "cache")


def _arrays(deaths: Deaths) -> None:
    """Checkpoints and predictions."""
    import numpy as np

    from tuning import training

    training.CHECKPOINT_SECONDS = 0.0  # one after each epoch, short as they are
    savez = np.savez

    def saved(file, *arrays, **named):
        path = file if isinstance(file, str | Path) else getattr(file, "name", None)
        history = named.get("history")
        label = f"arrays {_name(path)}" if path else ""
        if history is not None:
            label += f", epoch {len(json.loads(str(history)))}"
        if deaths.below(path) and deaths.due(f"{label}: half"):
            buffer = io.BytesIO()
            savez(buffer, *arrays, **named)
            half = buffer.getvalue()[: buffer.tell() // 2]
            with open(path, "wb") as torn:  # type: ignore[arg-type]
                torn.write(half)
            die()
        savez(file, *arrays, **named)
        if deaths.below(path):
            deaths.at(f"{label}: written")

    np.savez = saved


def _models(deaths: Deaths) -> None:
    import keras

    save = keras.Model.save

    def saved(self, path, *rest, **options):
        result = save(self, path, *rest, **options)
        if deaths.below(path) and deaths.due(f"model {_name(path)}: half"):
            os.truncate(path, Path(path).stat().st_size // 2)
            die()
        return result

    keras.Model.save = saved
