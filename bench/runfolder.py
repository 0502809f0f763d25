"""Where a sweep's state lives: which folder goes with which settings, and what lies in it."""

import hashlib
import itertools
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import architectures
import bench
import tuning
from bench import journal
from bench.data.dataset import Dataset
from bench.data.download import sha256_of
from bench.digests import code_digest, generators_digest, with_parts
from bench.errors import UserError
from bench.settings import Settings
from bench.state import State
from tuning import space

# Raised when the meaning of a result changes in a way that no other part of the identity shows.
PROTOCOL = 1
_PACKAGES = ("tensorflow", "keras", "keras-tuner", "numpy", "scipy", "scikit-learn")
# What turns a description into a result, beside `tuning` and the architectures.
_WORK = ("inputs.py", "references.py", "work.py", "data/splits.py", "evaluate/definitions.py")


def identity(settings: Settings, dataset: Dataset) -> dict[str, Any]:
    """Everything that changes what a result means. TRIALS, SEEDS, FOLDS and ARCH are not among it.

    It is as JSON gives it back (lists, not tuples), so that it can be compared with a recorded one.
    """
    task = settings.task
    content = {
        "protocol": PROTOCOL,
        "task": task.name,
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "splits": settings.splits,
        "preprocessing": settings.preprocessing,
        "augmentation": list(task.augmentation),
        "training_space": {entry["name"]: entry for entry in space.describe(task.training_space)},
        "transfer_space": {entry["name"]: entry for entry in space.describe(task.transfer_space)},
        "metric": task.metric,
        "preset": {"name": settings.preset_name, "epochs": settings.preset.epochs},
        "tuner": settings.tuner,
        "versions": {name: _version(name) for name in _PACKAGES},
        "pretraining": {
            "epochs": settings.preset.pretraining_epochs,
            "values": task.pretraining_values,
            "generators": generators_digest() if settings.preset.pretraining_epochs else "",
        },
        "code": {
            "prepare": task.code(),
            "tuning": code_digest(sorted(Path(tuning.__file__).parent.glob("*.py"))),
            "work": code_digest(Path(bench.__file__).parent / name for name in _WORK),
        },
    }
    return json.loads(json.dumps(content))


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return version("tensorflow-cpu") if package == "tensorflow" else "none"


def candidate_digests(settings: Settings) -> dict[str, str]:
    """A digest of the source behind each candidate: its own file and the parts that it imports."""
    return {
        candidate.name: code_digest(
            with_parts(architectures.FOLDER / f"{candidate.architecture}.py", "architectures")
        )
        for candidate in settings.candidates
    }


def find(settings: Settings, identity_: dict[str, Any], candidates: dict[str, str]) -> tuple[Path, list[str]]:
    """Find the run folder of these settings, or name a new one.

    Returns
    -------
    folder : of the run.
    differences : if it is new and there are other runs of the task: what differs from the latest of them,
        a line each with the old and the new value.
    """
    digest = hashlib.sha256(json.dumps(identity_, sort_keys=True).encode()).hexdigest()[:8]
    stem = f"{identity_['task']}-{identity_['data']['name']}-{identity_['preset']['name']}-{digest}"
    try:
        existing = sorted(path for path in settings.runs.glob(f"{stem}*") if path.is_dir())
    except OSError:
        existing = []
    changed: list[str] = []
    for folder in existing:
        recorded = load_state(folder).candidates
        changed = [name for name in candidates if recorded.get(name, candidates[name]) != candidates[name]]
        if not changed:
            return folder, []
    if existing:
        lines = [f"architecture {name}: its source has changed" for name in changed]
        taken = {folder.name for folder in existing}
        free = next(number for number in itertools.count(2) if f"{stem}-{number}" not in taken)
        return settings.runs / f"{stem}-{free}", lines
    others = latest(settings.runs, identity_["task"])
    if others is None:
        return settings.runs / stem, []
    return settings.runs / stem, differences(load_state(others).sweep.get("identity", {}), identity_)


def latest(runs: Path, task: str) -> Path | None:
    """The run folder of a task in which something was recorded last."""
    journals = list(runs.glob(f"{task}-*/{journal.FILE}"))
    return max(journals, key=lambda path: path.stat().st_mtime).parent if journals else None


def load_state(folder: Path) -> State:
    """Replay the journal of a folder, without changing anything in it."""
    events, _, _ = journal.read(folder / journal.FILE)
    return State.replay(events)


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """List what differs between two nested dicts, a line each: `data.fingerprint: 1a2b -> 3c4d`."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in dict.fromkeys([*old, *new])
            for line in differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    if old == new:
        return []
    return [f"{path}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


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


def clean(folder: Path, state: State) -> None:
    """Delete what the journal does not name: files of killed writers, checkpoints of settled pieces.

    Raises
    ------
    UserError : a file cannot be deleted.
    """
    named = set(state.files())
    settled = {key.replace("/", "-") for key in (*state.done, *state.failed)}
    try:
        for kind in ("predictions", "models", "weights"):
            for path in (folder / kind).glob("*"):
                if f"{kind}/{path.name}" not in named:
                    path.unlink()
        for path in (folder / "work").glob("*"):
            if path.name.split(".")[0] in settled or path.suffix == ".tmp":
                path.unlink(missing_ok=True)
        (folder / "stop").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{error.filename}: cannot delete ({error.strerror}); expected a writable folder"
        ) from error


def disk_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
