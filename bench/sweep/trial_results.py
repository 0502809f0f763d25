"""What a trial's trainings come to: one score, and checkpoints for as long as it may go on."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from bench.evaluate import metrics
from bench.evaluate.weighted_metrics import pooled
from bench.sweep.halving import FAILED, Standing
from bench.sweep.plan import Plan
from bench.sweep.state import State, split_stage

# Of all checkpoints of trials that wait to be judged: three of a ResNet-50 in its original's width, hundreds of a
# slim network. A trial without one starts anew, with the same result.
_WAITING_BYTES = 2**30


def trial_result(folder: Path, state: State, standing: Standing, metric: str) -> dict[str, Any]:
    """Put the result of a trial that has come to an end together from those of its trainings, in a run folder.

    Where it was scored on several inner folds, the score is that of their predictions pooled.

    Raises ArithmeticError: a training of it failed, or its pooled score is not defined.
    """
    if standing.outcome == FAILED:
        # The state forgets the reason of a training once its trial has it.
        reasons = [state.failed[key] for key in standing.stages if key in state.failed]
        raise ArithmeticError(next(iter(reasons), "a training of it failed"))
    results = [state.done[key] for key in standing.stages]
    found = {name: value for name, value in results[0].items() if name != "files"}
    if len(results) > 1:
        parts = []
        for result in results:
            with np.load(folder / result["files"]["predictions"]["path"]) as file:
                parts.append((file["y"], file["probabilities"]))
        y, probabilities = map(np.concatenate, zip(*parts, strict=True))
        found["score"] = pooled(metric, parts)
        found["metrics"] = metrics.all_metrics(y, probabilities, state.sweep["dataset"]["classes"])
        if not np.isfinite(found["score"]):
            raise ArithmeticError(f"{metric} is not defined on the validation subjects")
    _, search, number, _ = split_stage(standing.stages[0])
    trained = [result for result in state.stages[search][number].values() if result]
    return {
        **found,
        "seconds": round(sum(result["seconds"] for result in trained), 3),
        "rung": standing.rung,
        "complete": standing.outcome == "complete",
        "stages": standing.stages,
    }


def bound_checkpoints(folder: Path, plan: Plan, under_way: Collection[str], newest: int) -> None:
    """Delete the checkpoints of trials that cannot go on, and of others what is beyond a bound on the disk.

    Whatever they hold, those of trainings `under_way` stay, by name, and so many of the `newest`, which are of
    trainings that were just stopped.
    """
    kept, ended = 0, plan.ended_trials()
    paths = sorted((folder / "work").glob("trial-*.npz"), key=lambda path: -path.stat().st_mtime)
    for path in [path for path in paths if path.name.split(".")[0] in ended]:
        path.unlink()
        paths.remove(path)
    for path in [path for path in paths[newest:] if path.name not in under_way]:
        kept += path.stat().st_size
        if kept > _WAITING_BYTES:
            path.unlink()
