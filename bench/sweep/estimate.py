"""How far a sweep is and how long it will take."""

from bench.sweep.plan import Plan


def counts(plan: Plan) -> tuple[int, int]:
    """Trials, refits, references and ablations settled, and planned as far as is known yet."""
    settings, state = plan.settings, plan.state
    done = total = 0
    keys: list[str] = []
    for candidate in settings.candidates:
        if f"space/{candidate.name}" in state.failed:
            continue
        for fold in range(settings.folds):
            planned = plan.planned_trials(candidate.name, fold)
            done += min(len(state.trials(candidate.name, fold)), planned)
            winner = plan.winner(candidate.name, fold)
            if winner is not None:
                keys += [f"refit/{candidate.name}/{fold}/{winner}/{n}" for n in range(1, settings.seeds + 1)]
            total += planned + settings.seeds
    others = [
        f"reference/{name}/{fold}" for name in settings.task.references for fold in range(settings.folds)
    ]
    others += [piece.key for piece in plan.ablations()]
    return done + sum(state.settled(key) for key in keys + others), total + len(others)


def seconds_left(plan: Plan, slots: int) -> float | None:
    """Estimate from the mean time of each candidate's trials; None before every candidate has one."""
    parts = [
        candidate_seconds(plan, candidate.name)
        for candidate in plan.settings.candidates
        if f"space/{candidate.name}" not in plan.state.failed
    ]
    parts += [
        _refit_seconds(plan, piece.owner, piece.description["fold"], 0.0)
        for piece in plan.ablations()
        if not plan.state.settled(piece.key)
    ]
    known = [part for part in parts if part is not None]
    return sum(known) / slots if len(known) == len(parts) else None


def candidate_seconds(plan: Plan, candidate: str) -> float | None:
    """A worker's time for the trials and refits that a candidate has left; None before its first trial."""
    searches = [plan.state.trials(candidate, fold) for fold in range(plan.settings.folds)]
    overall = _mean([result for trials in searches for result in trials.values() if result])
    if overall is None:
        return None
    left = 0.0
    for fold, trials in enumerate(searches):
        mean = _mean([result for result in trials.values() if result]) or overall
        left += mean * max(plan.planned_trials(candidate, fold) - len(trials), 0)
        winner = plan.winner(candidate, fold)
        refits = len(plan.state.refits(candidate, fold, winner)) if winner is not None else 0
        left += _refit_seconds(plan, candidate, fold, mean) * max(plan.settings.seeds - refits, 0)
    return left


def _mean(results: list[dict]) -> float | None:
    return sum(result["seconds"] for result in results) / len(results) if results else None


def _refit_seconds(plan: Plan, candidate: str, fold: int, otherwise: float) -> float:
    """What a refit of the winner takes: as its refits so far, else as its trial."""
    winner = plan.winner(candidate, fold)
    if winner is None:
        return otherwise
    refits = list(plan.state.refits(candidate, fold, winner).values())
    trial = plan.state.trials(candidate, fold).get(winner)
    mean = _mean(refits or ([trial] if trial else []))
    return otherwise if mean is None else mean
