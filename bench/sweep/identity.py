"""What a result means: everything that, changed, opens a new run folder, and how two such accounts differ."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import architectures
import bench
import tuning
from architectures import _imagenet_files as imagenet
from bench.data.caches.source_digest import code_digest, generators_digest, with_parts
from bench.data.dataset import Dataset
from bench.data.sources.download import sha256_of
from bench.measure.environment import package_version
from bench.sweep.settings import Settings
from bench.tasks import Task
from tuning import space

# Raised when the meaning of a result changes in a way that no other part of the identity shows (2: early rungs are
# judged by the area under the curve where few subjects validate).
PROTOCOL = 2
_PACKAGES = ("tensorflow", "keras", "keras-tuner", "numpy", "scipy", "scikit-learn")
# What turns a description into a result, beside `tuning` and the architectures.
_WORK = (
    "worker/arrays.py",
    "worker/execute.py",
    "worker/frozen.py",
    "worker/programs.py",
    "worker/references.py",
    "worker/spaces.py",
    "data/splits.py",
    "evaluate/metric_definitions.py",
)


def identity(settings: Settings, dataset: Dataset) -> dict[str, Any]:
    """Everything that changes what a result means. TRIALS, SEEDS, the number of FOLDS and ARCH are not among it.

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
        "preset": {
            "name": settings.preset_name,
            "epochs": settings.preset.epochs,
            "judged_at": settings.preset.judged_at,
            "fixed": dict(settings.preset.fixed),
            "searches_structure": settings.preset.searches_structure,
        },
        "tuner": settings.tuner,
        "precision": settings.precision,
        "versions": {name: package_version(name) or "none" for name in _PACKAGES},
        "pretraining": {
            "epochs": settings.preset.pretraining_epochs,
            "values": task.pretraining_values,
            "generators": generators_digest() if settings.preset.pretraining_epochs else "",
        },
        "code": {
            "prepare": task.digest(),
            "tuning": code_digest(sorted(Path(tuning.__file__).parent.glob("*.py"))),
            "work": code_digest(Path(bench.__file__).parent / name for name in _WORK),
        },
    }
    return json.loads(json.dumps(content))


def candidate_digests(settings: Settings) -> dict[str, str]:
    """A digest of the source behind each candidate: its own file and the parts that it imports.

    Where candidates start from ImageNet's weights, the files of these are among them, as far as they are there.
    """
    digests = {
        candidate.name: code_digest(
            with_parts(architectures.file_of(candidate.architecture), architectures.FOLDER)
        )
        for candidate in settings.candidates
    }
    if any(candidate.source == "imagenet" for candidate in settings.candidates):
        for kind, name in imagenet.FILES.items():
            with suppress(FileNotFoundError):
                digests[name] = sha256_of(imagenet.find(kind, settings.weights))
    return digests


def ablation_digests(task: Task) -> dict[str, str]:
    """A digest of what each ablation of a task changes."""
    return {
        each.name: hashlib.sha256(
            json.dumps([each.preprocessing, each.values], sort_keys=True).encode()
        ).hexdigest()
        for each in task.ablations
    }


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
