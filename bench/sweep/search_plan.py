"""What is planned of the searches: trials, the rungs that each has left, and winners."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.evaluate import metrics
from bench.sweep.halving import Halving, Standing, early_quality
from bench.sweep.settings import Settings
from bench.sweep.state import State, search_name, split_stage
from bench.sweep.work_items import WorkItem, WorkItemFactory
from bench.tasks import Candidate
from tuning.seeds import seed_of
from tuning.tuners import INDEPENDENT

if TYPE_CHECKING:
    from tuning.search import Proposal, Search


class SearchPlan:
    """The trials of a sweep's searches: which could be trained now, which have ended, which are best.

    The state is read anew at every question; the caller keeps it up to date. `on_exhausted` is told the name of a
    search and its number of trials, when its space has no more to offer; `on_closed` is called when `close` has
    ended trials where they are.
    """

    def __init__(
        self,
        settings: Settings,
        state: State,
        on_exhausted: Callable[[str, int], None] = lambda search, trials: None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.state = state
        # Candidates that get no further trials in this call, because their share of the budget is used or because
        # the next ones wait for a trial that cannot be done here at present.
        self.closed: set[str] = set()
        self.unwaiting: set[str] = set()  # those of which no trial waits for such a one any more
        self._on_exhausted, self._on_closed = on_exhausted, on_closed
        self._make = WorkItemFactory(settings, state)
        self._halving = Halving(settings, state)
        self._searches: dict[str, Search] = {}  # brought back from what is recorded
        # What was worked out and is asked for again at every piece, with what it hangs on: seconds and epochs of
        # searches and of their trials (`bench.sweep.estimate`), ends of trials, and pieces.
        self.trained: dict[tuple[str, int | None], tuple[tuple[int, int], tuple[float, int]]] = {}
        self._ends: dict[str, tuple[dict[int, Standing], int, dict[int, float | None]]] = {}
        self._stages: dict[str, WorkItem] = {}

    def close(self, candidates: set[str]) -> None:
        """Plan no further trials of candidates in this call."""
        if not candidates <= self.closed:
            self.closed |= candidates
            self._on_closed()

    def go_on_without(self, candidates: set[str]) -> None:
        """Let no trial of candidates wait in this call for one that cannot be done at present."""
        self.unwaiting |= candidates
        self._on_closed()

    def planned_trials(self, candidate: str, fold: int) -> int:
        """How many trials a search will have: TRIALS, or as many as its space has to offer."""
        return self.state.planned_trials(candidate, fold, self.settings.trials)

    def planned_epochs(self, candidate: str, fold: int) -> int:
        """Epochs that all trainings of a search by halving will come to, as many going on as is usual."""
        return self._halving.planned_epochs(self.planned_trials(candidate, fold))

    def stage_epochs(self, candidate: str, fold: int, trial: int, rung: int, inner: int) -> int:
        """Epochs of a training: from the rung before, on the first inner fold, else from the first epoch."""
        rungs = self._halving.rungs(self.state.started[search_name(candidate, fold)].get(trial))
        return rungs[rung] - (rungs[rung - 1] if rung and not inner else 0)

    def searched(self, candidate: str, fold: int) -> bool:
        """Say whether a search needs no more trials."""
        ended = len(self._ended(candidate, fold))
        if candidate in self.closed:
            prefix = f"stage/{search_name(candidate, fold)}/"
            return ended > 0 or any(key.startswith(prefix) for key in self.state.deferred)
        return ended >= self.planned_trials(candidate, fold)

    def _standings(self, candidate: str, fold: int) -> dict[int, Standing]:
        planned, absent = self.planned_trials(candidate, fold), set()
        if candidate in self.unwaiting:
            prefix = f"stage/{search_name(candidate, fold)}/"
            absent = {split_stage(key)[2] for key in self.state.deferred if key.startswith(prefix)}
        return self._halving.standings(candidate, fold, planned, candidate in self.closed, frozenset(absent))

    def _ended(self, candidate: str, fold: int) -> dict[int, float | None]:
        """Scores of the trials whose record says what is to be said of them now; None for one that failed."""
        search, standings = search_name(candidate, fold), self._standings(candidate, fold)
        changes = self.state.changes[f"trial/{search}"]
        known = self._ends.get(search)
        if known is None or known[0] is not standings or known[1] != changes:
            known = self._ends[search] = standings, changes, self._find_ended(candidate, fold, standings)
        return known[2]

    def _find_ended(
        self, candidate: str, fold: int, standings: dict[int, Standing]
    ) -> dict[int, float | None]:
        trials = self.state.trials(candidate, fold)
        found: dict[int, float | None] = {}
        for number, standing in standings.items():
            result = trials.get(number)
            if number not in trials or standing.outcome is None:
                continue
            if result is None:
                stages = self.state.failed_stages.get(f"trial/{search_name(candidate, fold)}/{number}")
                if stages in (None, standing.stages):
                    found[number] = None
            elif not standing.stages or result.get("stages") == standing.stages:
                found[number] = self._told(search_name(candidate, fold), number, result)
        return found

    def _told(self, search: str, number: int, result: dict) -> float:
        """What the oracle is told of a trial: its score, or what Hyperband promotes by.

        A Gaussian process compares scores, so it is told how good each trial was at the first rung, which all come
        to (as the model of BOHB learns from one budget; Falkner et al. 2018, ICML, PMLR 80).
        """
        tuner, shared = self.settings.tuner, None
        if tuner == "hyperband" and not result.get("complete", True):
            shared = result
        elif tuner == "bayesian" and self.settings.preset.judged_at:
            # None: from before trials had rungs
            shared = self.state.stages[search].get(number, {}).get((0, 0))
        if shared is None:
            return result["score"]
        sign = self.settings.sign
        return sign * early_quality(shared, sign, self.settings.inner_folds > 1)

    def ended_trials(self) -> set[str]:
        """Trials that will not go on, as their checkpoints name them; of a closed search the next call decides."""
        searches = [(c.name, fold) for c in self.settings.candidates for fold in range(self.settings.folds)]
        return {
            f"trial-{candidate}-{fold}-{number}"
            for candidate, fold in searches
            if candidate not in self.closed | self.unwaiting
            # Hyperband takes a trial up again under another number.
            if self.settings.tuner != "hyperband" or self.searched(candidate, fold)
            for number in self._ended(candidate, fold)
        }

    def verdicts(self) -> Iterator[tuple[str, Standing]]:
        """Trials that have come to an end, or to another than is recorded, with where they stand."""
        for candidate in self.settings.candidates:
            for fold in range(self.settings.folds):
                ended = self._ended(candidate.name, fold)
                for number, standing in self._standings(candidate.name, fold).items():
                    if standing.outcome and number not in ended:
                        yield f"trial/{search_name(candidate.name, fold)}/{number}", standing

    def leader(self, candidate: str, fold: int) -> int | None:
        """The best trial of a search so far."""
        planned = range(self.planned_trials(candidate, fold))
        return self.state.best_trial(candidate, fold, self.settings.sign, planned)

    def winner(self, candidate: str, fold: int) -> int | None:
        """The best trial of a finished search."""
        return self.leader(candidate, fold) if self.searched(candidate, fold) else None

    def _trials(self, candidate: Candidate, fold: int) -> Iterator[WorkItem]:
        """Trainings of trials that could be run now: the next rung of each, on one inner fold or on all."""
        standings = self._standings(candidate.name, fold)
        ended = self._ended(candidate.name, fold)
        for proposal in self._proposals(candidate.name, fold, ended):
            if proposal.number in ended:
                continue
            standing = standings.get(proposal.number, Standing(missing=[(0, 0)]))
            rungs = self._halving.rungs(proposal.epochs)
            for rung, inner in standing.missing:
                key = f"stage/{search_name(candidate.name, fold)}/{proposal.number}/{rung}/{inner}"
                if key not in self._stages:
                    self._stages[key] = self._make.piece(
                        key,
                        candidate,
                        fold,
                        values=proposal.values,
                        inner=inner,
                        until=rungs[rung],
                        proposed_epochs=proposal.epochs,
                        checkpoint=f"trial-{candidate.name}-{fold}-{proposal.lineage}.{inner}",
                        seed=seed_of(self.settings.task.name, candidate.name, fold, "search"),
                    )
                yield self._stages[key]

    def _proposals(
        self, candidate: str, fold: int, ended: Mapping[int, float | None]
    ) -> "Sequence[Proposal]":
        """All trials that are proposed by now, after the oracle was told the scores of those that have `ended`.

        A trial that the environment kept from being done is tried again at the next start. Until then an
        oracle whose proposals hang on scores is told nothing of it, so that what it proposes is the same
        whenever the score comes.

        Raises UserError: the oracle proposes other values than are recorded for the same trial.
        """
        name, search = search_name(candidate, fold), self._search(candidate, fold)
        if self.settings.tuner in INDEPENDENT:  # the others must wait for what is tried again later
            for key in self.state.deferred:
                if key.startswith(f"stage/{name}/"):
                    search.tell(split_stage(key)[2], None)
        for number, score in ended.items():
            search.tell(number, score)
        while search.asked < self.settings.trials:
            known = self.state.values.get(f"trial/{name}/{search.asked}")
            proposal = search.ask(known)
            if proposal is None:
                break
            if known is not None and known != proposal.values:
                raise UserError(
                    f"journal: found trial/{name}/{proposal.number} with other values than its search proposes; "
                    "expected the record of one search: move the run folder away"
                )
        if search.exhausted and name not in self.state.exhausted:
            self._on_exhausted(name, search.asked)
        return list(search.proposals)

    def _search(self, candidate: str, fold: int) -> "Search":
        from tuning.runtime import import_tensorflow

        import_tensorflow()  # KerasTuner does
        from tuning.search import Search

        name, preset = search_name(candidate, fold), self.settings.preset
        if name not in self._searches:
            space = self.state.done[f"space/{candidate}"]["space"]
            seed = seed_of(self.settings.task.name, candidate, fold, "oracle")
            direction = metrics.direction(self.settings.task.metric)
            self._searches[name] = Search(
                self.settings.tuner, space, direction, seed, preset.epochs, preset.trials
            )
        return self._searches[name]
