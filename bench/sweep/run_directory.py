"""Where a sweep's state lives: which folder goes with which settings, and what lies in it."""

import glob
import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

from bench.data.sources.download import sha256_of
from bench.errors import UserError
from bench.sweep import journal
from bench.sweep.identity import differences
from bench.sweep.settings import Settings
from bench.sweep.state import State


def find(settings: Settings, identity_: dict[str, Any], candidates: dict[str, str]) -> tuple[Path, list[str]]:
    """Find the run folder of these settings, or name a new one.

    With it come, if it is new and there are other runs of the task, the differences from the latest of them,
    a line each with the old and the new value.
    """
    digest = hashlib.sha256(json.dumps(identity_, sort_keys=True).encode()).hexdigest()[:8]
    stem = f"{identity_['task']}-{identity_['data']['name']}-{identity_['preset']['name']}-{digest}"
    try:
        existing = sorted(path for path in settings.runs.glob(f"{glob.escape(stem)}*") if path.is_dir())
    except OSError:
        existing = []
    changed: list[str] = []
    for folder in existing:
        state = load_state(folder)
        recorded = state.candidates
        changed = [name for name in candidates if recorded.get(name, candidates[name]) != candidates[name]]
        if not changed:
            return folder, [] if state.sweep else _from_latest(settings.runs, identity_)
    if existing:
        lines = [f"{name}: its content has changed" for name in changed]
        taken = {folder.name for folder in existing}
        free = next(number for number in itertools.count(2) if f"{stem}-{number}" not in taken)
        return settings.runs / f"{stem}-{free}", lines
    return settings.runs / stem, _from_latest(settings.runs, identity_)


def _from_latest(runs: Path, identity_: dict[str, Any]) -> list[str]:
    """What differs from the latest run of the task; nothing where there is none."""
    others = latest(runs, identity_["task"])
    return differences(load_state(others).sweep.get("identity", {}), identity_) if others else []


def latest(runs: Path, task: str) -> Path | None:
    """The run folder of a task in which something was recorded last."""
    journals = [path for path in runs.glob(f"{glob.escape(task)}-*/{journal.FILE}") if _is_of(path, task)]
    return max(journals, key=journal.last_time).parent if journals else None


def _is_of(file: Path, task: str) -> bool:
    """Whether a journal has a record, and is not of another task whose name begins with this one's.

    A damaged first line says nothing of that.
    """
    with file.open(encoding="utf-8", errors="replace") as lines:
        first = lines.readline()
    try:
        return json.loads(first)["identity"]["task"] == task
    except (ValueError, KeyError, TypeError):
        return bool(first)


def load_state(folder: Path) -> State:
    """Replay the journal of a folder, without changing anything in it."""
    events, _, _ = journal.read(folder / journal.FILE)
    return State.replay(events)


def verify_files(folder: Path, state: State) -> dict[str, str]:
    """Check every file that the journal names; returns piece to what is wrong with a file of its."""
    wrong = {}
    for relative, (piece, sha256) in state.files().items():
        path = folder / relative
        if not path.is_file():
            wrong[piece] = f"{relative} is missing"
        elif sha256_of(path) != sha256:
            wrong[piece] = f"{relative} is damaged"
    return wrong


def outdated(state: State, ablations: dict[str, str]) -> dict[str, str]:
    """Ablations, and pretrainings for them, that were recorded when they changed something else.

    `ablations` are digests of their definitions now. Returns piece to what is wrong with it.
    """
    recorded = state.ablations
    changed = {name for name, digest in ablations.items() if recorded.get(name, digest) != digest}
    # `ablation/NAME/...` and `pretrain/CANDIDATE/NAME`
    named = re.compile("(?:ablation|pretrain/[^/]+)/([^/]+)")
    return {
        key: "the ablation changes something else now"
        for key in (*state.done, *state.failed)
        if (found := named.match(key)) and found[1] in changed
    }


def clean(folder: Path, state: State) -> None:
    """Delete what the journal does not name: files of killed writers, notes, checkpoints of settled pieces.

    Raises UserError: a file cannot be deleted.
    """
    named = set(state.files())
    settled = {key.replace("/", "-") for key in (*state.done, *state.failed) if state.settled(key)}
    try:
        for kind in ("predictions", "models", "weights"):
            for path in (folder / kind).glob("*"):
                if f"{kind}/{path.name}" not in named:
                    path.unlink()
        for path in (folder / "work").glob("*"):
            # Those of trials may be taken up again: `trial_results.bound_checkpoints` knows.
            is_settled = path.name.split(".")[0] in settled and not path.match("trial-*.npz")
            if is_settled or path.suffix in (".tmp", ".progress"):
                path.unlink(missing_ok=True)
        (folder / "stop").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{error.filename}: cannot delete ({error.strerror}); expected a writable folder"
        ) from error


def disk_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
