"""The oracles of a sweep, one for each candidate and fold, brought back from what is recorded."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.sweep.settings import Settings
from bench.sweep.state import State, parse_key, search_name
from tuning.seeds import seed_of
from tuning.tuners import INDEPENDENT

if TYPE_CHECKING:
    from tuning.search import Proposal, Search


class Searches:
    """Asks and tells the oracles as far as results allow; its parameters are those of `SearchPlan`."""

    def __init__(
        self, settings: Settings, state: State, direction: str, on_exhausted: Callable[[str, int], None]
    ) -> None:
        self._settings, self._state, self._direction = settings, state, direction
        self._on_exhausted = on_exhausted
        self._searches: dict[str, Search] = {}
        self._proposed: dict[str, dict[int, Proposal]] = {}
        self._told: dict[str, set[int]] = {}

    def proposals(self, candidate: str, fold: int, ended: Mapping[int, float | None]) -> "list[Proposal]":
        """All trials that are proposed by now, after the oracle was told the scores of those that have `ended`.

        A trial that the environment kept from being done is tried again at the next start. Until then an
        oracle whose proposals hang on scores is told nothing of it, so that what it proposes is the same
        whenever the score comes.

        Raises UserError: the oracle proposes other values than are recorded for the same trial.
        """
        name = search_name(candidate, fold)
        search = self._search(candidate, fold)
        proposed, told = self._proposed[name], self._told[name]
        ended = dict(ended)
        if self._settings.tuner in INDEPENDENT:  # the others must wait for what is tried again later
            deferred = (parse_key(key) for key in self._state.deferred if key.startswith(f"stage/{name}/"))
            ended = {**{parts["trial"]: None for parts in deferred}, **ended}
        while True:
            for number, score in ended.items():
                if number in proposed and number not in told:
                    search.tell(number, score)
                    told.add(number)
            if search.asked >= self._settings.trials:
                break
            known = self._state.values.get(f"trial/{name}/{search.asked}")
            proposal = search.ask(known)
            if proposal is None:
                break
            if known is not None and known != proposal.values:
                raise UserError(
                    f"journal: found trial/{name}/{proposal.number} with other values than its search proposes; "
                    "expected the record of one search: move the run folder away"
                )
            proposed[proposal.number] = proposal
        if search.exhausted and name not in self._state.exhausted:
            self._on_exhausted(name, search.asked)
        return list(proposed.values())

    def _search(self, candidate: str, fold: int) -> "Search":
        from tuning.runtime import import_tensorflow

        import_tensorflow()  # KerasTuner does
        from tuning.search import Search

        name = search_name(candidate, fold)
        if name not in self._searches:
            self._searches[name] = Search(
                self._settings.tuner,
                self._state.done[f"space/{candidate}"]["space"],
                self._direction,
                seed_of(self._settings.task.name, candidate, fold, "oracle"),
                self._settings.preset.epochs,
                self._settings.preset.trials,
            )
            self._proposed[name], self._told[name] = {}, set()
        return self._searches[name]
