"""Successive halving: how far each trial is, who goes on, and which trainings that asks for next.

A trial is trained in rungs (the preset's `judged_at`, then its full number of epochs). At each but the last, the
trials of a cohort are judged together with all earlier ones that came so far, and only the best go on, from their
own checkpoints (Jamieson and Talwalkar 2016, AISTATS; Li et al. 2018, Hyperband, JMLR 18). What is decided hangs
on results alone, by number, never on who finished first: kills and workers leave no trace.

Where validation subjects are few, a full training is scored on every inner fold of the training and validation
parts, and the score is that of the pooled predictions; the rungs before it see the first inner fold alone, and are
judged by the area under its ROC curve: while the learning rate is high, networks rank subjects before they put them
on the right side (docs/mri.md has measurements).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.sweep.settings import Settings
from bench.sweep.state import State, search_name
from tuning.tuners import COHORT

COMPLETE, STOPPED, FAILED = "complete", "stopped", "failed"


@dataclass
class Standing:
    """How far a trial is."""

    # `COMPLETE`, `STOPPED` (judged hopeless), `FAILED`, or None while it may go on.
    outcome: str | None = None
    rung: int = -1  # the last at which it was scored; -1 before the first
    stages: list[str] = field(default_factory=list)  # keys of the trainings that the trial's score comes from
    missing: list[tuple[int, int]] = field(default_factory=list)  # rung and inner fold of what could be run


def early_quality(result: dict, sign: int, few: bool) -> float:
    """What a training that is not a trial's last is judged by, more being better.

    It is the score, whose `sign` is -1 where less is better; where `few` subjects validate, the area under their
    ROC curve, if it is defined (for all trials or none: they see the same subjects).
    """
    quality = sign * result["score"]
    return result["metrics"].get("auc", quality) if few else quality


class Halving:
    """Standings of the trials of a sweep's searches; the state is read anew at every question."""

    def __init__(self, settings: Settings, state: State) -> None:
        self._settings, self._state = settings, state
        self._cache: dict[tuple, dict[int, Standing]] = {}

    def rungs(self, epochs: int | None) -> tuple[int, ...]:
        """Epochs at which a trial is judged; `epochs`: those that its oracle gives it (Hyperband), or None."""
        preset = self._settings.preset
        return (min(epochs, preset.epochs),) if epochs else (*preset.judged_at, preset.epochs)

    def planned_epochs(self, planned: int) -> int:
        """Epochs that all trainings of `planned` trials come to, as many going on at each rung as is usual."""
        rungs, total, before = self.rungs(None), 0, 0
        for now, after in zip(rungs, (*rungs[1:], None), strict=True):
            total += planned * (now - before)
            planned, before = max(round(planned * now / (after or now)), min(planned, 2)), now
        return total + planned * (self._settings.inner_folds - 1) * rungs[-1]

    def standings(
        self, candidate: str, fold: int, planned: int, closed: bool, absent: frozenset[int] = frozenset()
    ) -> dict[int, Standing]:
        """The standing of each trial that was started, by number, of `planned` ones.

        Where the search is `closed`, no further training is to be started; trials under way then end where
        they are. No other trial waits for those that are `absent`, because they cannot be done at present.
        """
        search = search_name(candidate, fold)
        stages = self._state.stages[search]
        changes = len(self._state.started[search]), self._state.changes[search]
        key = (search, planned, closed, absent, *changes)
        if key not in self._cache:
            self._cache = {k: v for k, v in self._cache.items() if k[0] != search}
            self._cache[key] = self._judge(search, stages, planned, closed, absent)
        return self._cache[key]

    def _judge(
        self, search: str, stages: dict[int, dict], planned: int, closed: bool, absent: frozenset[int]
    ) -> dict[int, Standing]:
        started = self._state.started[search]
        result = {number: Standing() for number in started if number < planned}
        for number in result.keys() - stages.keys():
            recorded = self._state.done.get(f"trial/{search}/{number}")
            if recorded and "stages" not in recorded:  # from before trials had rungs
                result[number].outcome = COMPLETE
        peers: dict[int, list[tuple]] = {}  # by rung: ranks of the scores of all trials that came so far
        decided: set[int] = set()  # rungs at which an earlier cohort still waits
        for cohort in self._cohorts(planned):
            waits = any(number not in result for number in cohort)
            alive = [number for number in cohort if number in result]
            for rung in range(len(self.rungs(None))):
                scored = []
                for number in (number for number in alive if result[number].outcome is None):
                    standing = result[number]
                    rungs = self.rungs(started[number])
                    done = stages.get(number, {})
                    full = rungs[rung] == self._settings.preset.epochs
                    inner_folds = range(self._settings.inner_folds if full else 1)
                    found = {inner: done[rung, inner] for inner in inner_folds if (rung, inner) in done}
                    missing = [(rung, inner) for inner in inner_folds if inner not in found]
                    keys = [f"stage/{search}/{number}/{rung}/{inner}" for inner in found]
                    if None in found.values():
                        standing.outcome, standing.stages = FAILED, keys
                    elif missing:
                        standing.missing = missing
                        standing.outcome = STOPPED if closed and standing.rung >= 0 else None
                        waits = waits or not (closed or number in absent)
                    else:
                        standing.rung, standing.stages = rung, keys
                        if rung == len(rungs) - 1:
                            standing.outcome = COMPLETE if full else STOPPED
                        else:
                            scored.append((self._rank(found[0], number), number))
                waits = waits or rung in decided
                if waits and not closed:
                    decided.add(rung)
                    break
                if not scored:
                    break
                peers.setdefault(rung, []).extend(rank for rank, _ in scored)
                now, after = self.rungs(None)[rung : rung + 2]
                keep = set(self._best(peers[rung], max(round(len(peers[rung]) * now / after), 1)))
                alive = [number for rank, number in scored if rank in keep]
                for rank, number in scored:
                    if rank not in keep:
                        result[number].outcome = STOPPED
        return result

    def _rank(self, result: dict, number: int) -> tuple:
        """What sorts the best first: by quality, then by loss, then by number."""
        quality = early_quality(result, self._settings.sign, self._settings.inner_folds > 1)
        return -quality, result["metrics"].get("log_loss", 0.0), number

    @staticmethod
    def _best(ranks: list[tuple], count: int) -> list[tuple]:
        """The best of those that came so far, the first trial always among them.

        It has the defaults of the space: a search must not come to less than the untuned network because a few
        epochs, on few subjects, told nothing yet.
        """
        ranked = sorted(ranks)
        defaults = [rank for rank in ranked[count:] if rank[-1] == 0]
        return [*ranked[: max(count - len(defaults), 1)], *defaults]

    def _cohorts(self, planned: int) -> Iterator[range]:
        """Trials that are judged together: as many as are proposed without a result."""
        start = 0
        while start < planned:
            alone = self._settings.tuner == "hyperband" or (self._settings.tuner == "bayesian" and start)
            end = min(start + (1 if alone else COHORT), planned)
            yield range(start, end)
            start = end
