"""What a task must have to be swept, looked at when it is loaded: a mistake is told before anything is done."""

import json
import re

import architectures
from bench.evaluate import metrics
from bench.tasks.contract.ablation import Ablation
from bench.tasks.contract.candidate import PRESETS, TRANSFERS, Candidate, Preset
from bench.tasks.contract.task import Task
from tuning.space import Choice, Fixed, Float

REQUIRED = tuple(name for name in Task.__annotations__ if not hasattr(Task, name))  # `name`, `title`, ...


def require_contract(task: Task) -> None:
    """Raise a TypeError or a ValueError for the first part of the contract that a task does not keep."""
    if missing := [name for name in REQUIRED if not hasattr(task, name)]:
        raise TypeError(f"`task` lacks {', '.join(missing)}")
    if type(task).load is Task.load:
        raise TypeError("`task` has no `load`")
    if not metrics.get(task.metric).primary:
        raise ValueError(
            f"metric {task.metric!r} is made perfect by a constant answer and is biased, expected another"
        )
    _require_presets(task)
    _require_candidates(task)
    _require_spaces(task)
    try:
        same = json.loads(json.dumps(task.preprocessing)) == task.preprocessing
    except (TypeError, ValueError):
        same = False
    if not same:
        raise TypeError(
            "`preprocessing` has values that JSON does not give back: a tuple, or an array's number"
        )
    _require_ablations(task)


def _require_presets(task: Task) -> None:
    if absent := set(PRESETS) - set(task.presets):
        raise TypeError(f"`presets` lacks {', '.join(sorted(absent))}")
    for name, preset in task.presets.items():
        if not isinstance(preset, Preset):
            raise TypeError(f"`presets` has {type(preset).__name__} as {name!r}, not a Preset")
        judged = [0, *preset.judged_at, preset.epochs]
        if judged != sorted(set(judged)):
            raise ValueError(
                f"preset {name!r} judges trials at {preset.judged_at} of {preset.epochs} epochs, which do not rise"
            )


def _require_candidates(task: Task) -> None:
    if not task.candidates:
        raise TypeError("`candidates` has none")
    names = [candidate.name for candidate in task.candidates if isinstance(candidate, Candidate)]
    if len(set(names)) < len(task.candidates):
        raise TypeError("`candidates` has one twice, or something else than a Candidate")
    for candidate in task.candidates:
        if not architectures.file_of(candidate.architecture).is_file():
            raise TypeError(f"`candidates` has {candidate.architecture!r}, which is no architecture")
        if candidate.transfer not in ("scratch", *TRANSFERS):
            raise ValueError(
                f"`candidates` has the transfer {candidate.transfer!r}, not scratch, {', '.join(TRANSFERS)}"
            )
        if candidate.source == "phantom" and not task.has_generator():
            raise ValueError(f"`candidates` has {candidate.name!r}, and the task has no `pretraining`")


def _require_spaces(task: Task) -> None:
    space = [*task.training_space, *task.transfer_space]
    if not all(isinstance(entry, Float | Choice | Fixed) for entry in space):
        raise TypeError("`training_space` has something else than Float, Choice and Fixed")
    names = {entry.name for entry in task.training_space}
    if absent := {"learning_rate", "batch_size", *task.augmentation} - names:
        raise TypeError(f"`training_space` lacks {', '.join(sorted(absent))}")


def _require_ablations(task: Task) -> None:
    seen: set[str] = set()
    spaces = {entry.name for entry in (*task.training_space, *task.transfer_space)} | {"transfer"}
    for ablation in task.ablations:
        if not isinstance(ablation, Ablation):
            raise TypeError(f"`ablations` has {type(ablation).__name__}, not an Ablation")
        if ablation.name in seen or not re.fullmatch(r"\w+", ablation.name):
            raise ValueError(
                f"`ablations` has {ablation.name!r} twice, or as no name of letters, digits and _"
            )
        seen.add(ablation.name)
        unknown = set(ablation.preprocessing) - {*task.preprocessing, *task.preprocessing_options}
        if ablation.effect == "without":  # what is put in place of the winner's may be an architecture's own
            unknown |= set(ablation.values) - spaces
        if unknown:
            raise ValueError(
                f"ablation {ablation.name!r} changes {min(unknown)!r}, which the task does not have"
            )
