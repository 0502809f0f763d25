"""How far a sweep is and how long it will take, and how a time is written."""

from bench.sweep.plan import Plan
from bench.sweep.state import search_name


def duration(seconds: float | None) -> str:
    """Write seconds as `45 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counts(plan: Plan) -> tuple[int, int]:
    """Trials, refits, references and ablations settled, and planned as far as is known yet."""
    settings, state = plan.settings, plan.state
    done = total = 0
    keys: list[str] = []
    for candidate in settings.candidates:
        if plan.hopeless(candidate.name):
            continue
        for fold in range(settings.folds):
            planned = plan.planned_trials(candidate.name, fold)
            done += len(state.trials(candidate.name, fold, planned))
            winner = plan.winner(candidate.name, fold)
            if winner is not None:
                keys += [f"refit/{candidate.name}/{fold}/{winner}/{n}" for n in range(1, settings.seeds + 1)]
            tested = winner is not None or not plan.searched(candidate.name, fold)
            total += planned + (settings.seeds if tested else 0)
    others = [
        f"reference/{name}/{fold}" for name in settings.task.references for fold in range(settings.folds)
    ]
    others += [piece.key for piece in plan.ablations()]
    return done + sum(state.settled(key) for key in keys + others), total + len(others)


def seconds_left(plan: Plan, slots: int) -> float | None:
    """Estimate from how long each candidate's epochs took so far; None before every candidate has had one.

    Not counted: pretraining, references, what is timed at the end, and candidates that lack something to begin
    with (a file of weights), which are tried again when nothing else is left to do.
    """
    settings = plan.settings
    hopeful = [each.name for each in settings.candidates if not plan.hopeless(each.name)]
    # Every space is sought before anything is trained.
    names = [name for name in hopeful if f"space/{name}" in plan.state.done]
    known = [part for name in names if (part := candidate_seconds(plan, name)) is not None]
    if len(known) < len(names) or (hopeful and not names):
        return None
    left = sum(known)
    if plan.best_candidate():
        pieces = (piece for piece in plan.ablations() if not plan.state.settled(piece.key))
        left += sum(_refit_seconds(plan, piece.owner, piece.description["fold"]) for piece in pieces)
    elif settings.ablations and names:  # of whom is not known yet
        refits = sum(_refit_seconds(plan, name, fold) for name in names for fold in range(settings.folds))
        left += len(settings.task.ablations) * plan.ablation_seeds * refits / len(names)
    return left / slots


def candidate_seconds(plan: Plan, candidate: str) -> float | None:
    """A worker's time for the trials and refits that a candidate has left; None before its first training."""
    pace, refits = _pace(plan, candidate), refits_seconds(plan, candidate)
    if pace is None or refits is None:
        return None
    return refits + pace * sum(_epochs_left(plan, candidate, fold) for fold in range(plan.settings.folds))


def refits_seconds(plan: Plan, candidate: str) -> float | None:
    """A worker's time for the refits that a candidate has left, of the best trials so far, or None as above."""
    if _pace(plan, candidate) is None:
        return None
    left = 0.0
    for fold in range(plan.settings.folds):
        leader = plan.leader(candidate, fold)
        refits = len(plan.state.refits(candidate, fold, leader)) if leader is not None else 0
        if (missing := plan.settings.seeds - refits) > 0:
            left += missing * _refit_seconds(plan, candidate, fold)
    return left


def _epochs_left(plan: Plan, candidate: str, fold: int) -> float:
    """Epochs that a search has left; of Hyperband, with as many a trial as those so far."""
    if plan.searched(candidate, fold):
        return 0
    trained = _trained(plan, candidate, fold)[1]
    planned: float = plan.planned_epochs(candidate, fold)
    if plan.settings.tuner == "hyperband":
        begun = len(plan.state.stages[search_name(candidate, fold)])
        each = trained / begun if trained else plan.settings.preset.epochs
        planned = each * plan.planned_trials(candidate, fold)
    return max(planned - trained, 0)


def _trained(plan: Plan, candidate: str, fold: int, trial: int | None = None) -> tuple[float, int]:
    """Seconds and epochs that a search's trainings took so far, those of one trial or of all.

    Tracing a graph, in the first epoch of each, does not count: short rungs would make full trainings seem long.
    """
    search = search_name(candidate, fold)
    version = plan.state.changes[search], len(plan.state.started[search])
    known = plan.trained.get((search, trial))
    if known is None or known[0] != version:
        known = plan.trained[search, trial] = version, _add_up(plan, candidate, fold, trial)
    return known[1]


def _add_up(plan: Plan, candidate: str, fold: int, trial: int | None) -> tuple[float, int]:
    seconds, epochs = 0.0, 0
    for number, stages in plan.state.stages[search_name(candidate, fold)].items():
        for (rung, inner), result in stages.items() if trial in (None, number) else ():
            if result:
                had = plan.stage_epochs(candidate, fold, number, rung, inner)
                seconds += _training_seconds(result, had) - _tracing_seconds(result["history"][-had:])
                epochs += had
    return seconds, epochs


def _training_seconds(result: dict, epochs: int = 0) -> float:
    """What a training's last epochs took, or all: one that was interrupted had some of them in another process."""
    return max(result["seconds"], sum(record["seconds"] for record in result.get("history", [])[-epochs:]))


def _tracing_seconds(history: list[dict]) -> float:
    """By how much the first of some epochs took longer than the second."""
    seconds = [record["seconds"] for record in history[:2]]
    return max(seconds[0] - seconds[1], 0.0) if len(seconds) == 2 else 0.0


def _pace(plan: Plan, candidate: str) -> float | None:
    """Seconds an epoch of all trials of a candidate took, on average."""
    had = [_trained(plan, candidate, fold) for fold in range(plan.settings.folds)]
    seconds, epochs = (sum(column) for column in zip(*had, strict=True))
    return seconds / epochs if epochs else None


def _refit_seconds(plan: Plan, candidate: str, fold: int) -> float:
    """What a refit takes: as those of the winner so far, else by the pace of its trial, else by that of all.

    It sees training and validation subjects, where a trial that is scored on inner folds lacks one of them.
    """
    settings, winner = plan.settings, plan.winner(candidate, fold)
    if winner is not None and (refits := plan.state.refits(candidate, fold, winner)):
        return sum(_training_seconds(result) for result in refits.values()) / len(refits)
    seconds, epochs = _trained(plan, candidate, fold, winner) if winner is not None else (0.0, 0)
    pace = seconds / epochs if epochs else _pace(plan, candidate) or 0.0
    inner = settings.inner_folds
    return pace * settings.preset.epochs * (inner / (inner - 1) if inner > 1 else 1)
