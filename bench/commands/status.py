"""What a sweep has done, is doing and has left: read from its run folder, which may be in use."""

import contextlib
import fcntl
import json
import time
from dataclasses import replace
from pathlib import Path

from bench.evaluate import metrics
from bench.sweep import estimate, run_directory
from bench.sweep.plan import Plan
from bench.sweep.settings import Settings, find_task
from bench.sweep.state import State
from bench.tasks import Candidate


def recorded_settings(state: State) -> Settings:
    """The settings that the sweep was last started with, as far as they say what is planned."""
    plan, identity = state.sweep["plan"], state.sweep["identity"]
    task, splits = find_task(plan.get("task", identity["task"])), identity.get("splits", {})
    # A task may have made its epochs fewer for the data.
    recorded = identity.get("preset", {})
    shortened = {name: recorded[name] for name in ("epochs", "judged_at") if name in recorded}
    preset = replace(task.presets[plan["preset"]], **shortened)
    return Settings(
        task=task.but(
            metric=plan["metric"],
            references=tuple(plan["references"]),
            presets={**task.presets, plan["preset"]: preset},
        ),
        candidates=tuple(Candidate(c["architecture"], c["transfer"]) for c in plan["candidates"]),
        preset_name=plan["preset"],
        tuner=plan["tuner"],
        trials=plan["trials"],
        seeds=plan["seeds"],
        folds=plan["folds"],
        ablations=plan.get("ablations", True),
        by_site=splits.get("by") == "site",
        inner_folds=splits.get("inner", 1),
        preprocess=identity.get("preprocessing", {}),
        workers=state.sweep["workers"],
        precision=identity.get("precision", "float32"),
    )


def holder(folder: Path) -> str | None:
    """Who holds the run folder; None if nobody does."""
    with contextlib.suppress(OSError), open(folder / "lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return file.read().strip() or "a sweep"
    return None


def status(folder: Path) -> str:
    """Describe a run folder, some lines of text."""
    state = run_directory.load_state(folder)
    if not state.sweep:
        return f"{folder}: nothing is recorded yet"
    settings = recorded_settings(state)
    plan = Plan(settings, state)
    held = holder(folder)
    done, total = estimate.counts(plan)
    lines = [f"{folder}: {done} of {total} trials, refits and references done"]
    lines.append(f"  {'in use by ' + held if held else 'not running'}")
    lines.append(f"  started with: {state.sweep['command']}")
    left = 0.0 if plan.finished() else estimate.seconds_left(plan, max(settings.workers or 1, 1))
    lines.append(f"  time used {estimate.duration(state.seconds)}, left about {estimate.duration(left)}")
    lines.append(f"  disk used {run_directory.disk_bytes(folder) / 2**20:.1f} MiB")
    for candidate in settings.candidates:
        for fold in range(settings.folds):
            lines.append("  " + _search_line(plan, candidate.name, fold))
    for name in settings.task.references:
        finished = sum(state.settled(f"reference/{name}/{fold}") for fold in range(settings.folds))
        lines.append(f"  {name}: {finished} of {settings.folds} folds")
    lines += [f"  failed: {key}: {reason}" for key, reason in state.failed.items()]
    if held:
        lines += [f"  running: {text}" for text in _running(folder, state)]
    return "\n".join(lines)


def _search_line(plan: Plan, candidate: str, fold: int) -> str:
    state, settings = plan.state, plan.settings
    planned = plan.planned_trials(candidate, fold)
    trials = state.trials(candidate, fold, planned)
    text = f"{candidate}: {len(trials)} of {planned} trials"
    best = state.best_trial(candidate, fold, settings.sign, trials)
    if best is not None and (result := trials[best]) is not None:
        metric = metrics.named(settings.task.metric, state.sweep["dataset"]["classes"])
        text += f", best {metric} {result['score']:.4f} (trial {best + 1})"
    winner = plan.winner(candidate, fold)
    refits = len(state.refits(candidate, fold, winner)) if winner is not None else 0
    text += f", {min(refits, settings.seeds)} of {settings.seeds} refits"
    return text + (f", fold {fold + 1}" if settings.folds > 1 else "")


def _running(folder: Path, state: State) -> list[str]:
    """A line for each piece that a worker has said something about and that is not settled."""
    settled = {key.replace("/", "-") for key in (*state.done, *state.failed) if state.settled(key)}
    lines = []
    for path in sorted((folder / "work").glob("*.progress")):
        if path.stem in settled:
            continue
        with contextlib.suppress(OSError, ValueError):
            note = json.loads(path.read_text())
            age = time.time() - path.stat().st_mtime
            lines.append(f"{path.stem}: epoch {note.get('epoch', 0)}, heard {estimate.duration(age)} ago")
    return lines
