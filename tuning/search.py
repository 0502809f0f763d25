"""One search: a KerasTuner oracle, asked and told in an order that depends on the results alone.

The oracle lives in memory; a journal of results is all that is needed to bring it back. Trials of one
search may run at the same time, but what is asked next depends only on the results of the trials at
least `lookahead` places before, told in the order of their numbers. So four workers, one worker, and a
sweep that was killed and went on all see the same trials.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
import scipy.stats
from keras_tuner import oracles

from tuning.acquisition import minimise
from tuning.space import fill_with_defaults
from tuning.tuners import COHORT, HYPERBAND_FACTOR, TUNERS

OBJECTIVE = "score"
_NEVER = 10**9
_MOST_COLLISIONS = 1000  # points of a grid that were there before; then those that are left are looked up
_STARTS = 50  # of the search for a proposal of the Gaussian process, as in KerasTuner


@dataclass(frozen=True)
class Proposal:
    """A trial to run."""

    number: int  # in the search
    values: dict[str, Any]  # of the hyperparameters
    epochs: int | None  # that its oracle gives it; None: the usual
    # Number of the trial whose training it goes on with: its own, or that of Hyperband's earlier round.
    lineage: int


class _InMemory:
    """Keeps an oracle from writing files, and makes its first draw the defaults of the space.

    The journal of the sweep is the only truth. With the defaults among its trials, a search never does
    worse on validation than the untuned network.
    """

    trials: dict[str, Any]
    hyperparameters: Any

    def save(self, *_: Any, **__: Any) -> None: ...

    def _save_trial(self, trial: Any) -> None: ...

    def _random_values(self) -> dict[str, Any] | None:
        if self.trials:
            return super()._random_values()  # type: ignore[misc]
        space = self.hyperparameters.copy()
        space.values = {}
        fill_with_defaults(space)
        return dict(space.values)


class _Random(_InMemory, oracles.RandomSearchOracle):
    pass


class _Grid(_InMemory, keras_tuner.Oracle):
    """Points of the grid spread over all of it, none twice, the defaults first.

    KerasTuner's own goes through the grid in order, so that a search that cannot finish has changed nothing but
    the last hyperparameters. Here the points are those of a Halton sequence (Halton 1960; scrambled after Owen
    2017), which fills the grid evenly however many of them there are; what it has left out at last comes in order.
    """

    _points: Iterator[dict[str, Any]] | None = None

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._points = self._points or self._all_points()
        for values in self._points:
            digest = self._compute_values_hash(values)
            if digest not in self._tried_so_far:
                self._tried_so_far.add(digest)
                return {"status": "RUNNING", "values": values}
        return {"status": "STOPPED"}

    def _all_points(self) -> Iterator[dict[str, Any]]:
        yield self._random_values() or {}
        space = self.hyperparameters.space
        offered = [list(entry.values) for entry in space]
        halton = scipy.stats.qmc.Halton(max(len(space), 1), rng=self.seed)
        n_misses = 0
        while n_misses < _MOST_COLLISIONS:
            n_tried = len(self._tried_so_far)
            shares = halton.random(1)[0]
            yield self._point(
                values[int(share * len(values))] for share, values in zip(shares, offered, strict=False)
            )
            n_misses = 0 if len(self._tried_so_far) > n_tried else n_misses + 1
        chosen = self.hyperparameters.copy()
        chosen.values = {}
        yield from self._in_order(chosen, space)

    def _in_order(self, chosen: Any, left: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """All points, the hyperparameters `left` varied; what others' values switch off has none."""
        if not left:
            yield dict(chosen.values)
        elif not chosen.is_active(left[0]):
            yield from self._in_order(chosen, left[1:])
        else:
            for value in left[0].values:
                chosen.values[left[0].name] = value
                yield from self._in_order(chosen, left[1:])
            del chosen.values[left[0].name]

    def _point(self, values: Iterable[Any]) -> dict[str, Any]:
        chosen = self.hyperparameters.copy()
        chosen.values = {}
        for entry, value in zip(self.hyperparameters.space, values, strict=True):
            if chosen.is_active(entry):  # what others' values switch off has none
                chosen.values[entry.name] = value
        return dict(chosen.values)


class _Hyperband(_InMemory, oracles.HyperbandOracle):
    """Begins with the most aggressive bracket that can be finished, not with one that never trains in full.

    `trials` is how many are planned.
    """

    def __init__(self, trials: int, **settings: Any) -> None:
        super().__init__(**settings)
        for bracket in reversed(range(self._get_num_brackets())):
            rounds = range(self._get_num_rounds(bracket))
            self._current_bracket = bracket
            if sum(self._get_size(bracket, number) for number in rounds) <= trials:
                break
        self._brackets.clear()
        self._start_new_bracket()


class _Bayesian(_InMemory, oracles.BayesianOptimizationOracle):
    """Can be given a trial that it proposed in an earlier life without fitting its process again."""

    known: dict[str, Any] | None = None

    def populate_space(self, trial_id: str) -> dict:
        completed = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        if completed < self.num_initial_points:
            return super().populate_space(trial_id)
        # The random numbers are all that a proposal leaves behind.
        starts = self._random_state.uniform(size=(_STARTS, len(self._nonfixed_space())))
        if self.known is not None:
            return {"status": "RUNNING", "values": dict(self.known)}
        self.gpr.fit(*self._vectorize_trials())
        return {"status": "RUNNING", "values": self._vector_to_values(minimise(self.gpr, self.beta, starts))}


def _make_oracle(
    tuner: str, space: keras_tuner.HyperParameters, direction: str, seed: int, epochs: int, trials: int
):
    common: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, direction),
        "hyperparameters": space,
        "seed": seed,
        "max_consecutive_failed_trials": _NEVER,
    }
    if tuner == "hyperband":
        return _Hyperband(
            trials, max_epochs=epochs, factor=HYPERBAND_FACTOR, hyperband_iterations=None, **common
        )
    if tuner == "bayesian":
        common["num_initial_points"] = COHORT
    kinds = {"random": _Random, "bayesian": _Bayesian, "grid": _Grid}
    if tuner not in kinds:
        raise ValueError(f"tuner {tuner!r}: expected one of {', '.join(TUNERS)}")
    return kinds[tuner](max_trials=None, **common)


class Search:
    """The trials of one architecture in one fold.

    Parameters
    ----------
    tuner : one of `TUNERS`.
    space : as `tuning.space.discover` gives it (its "space").
    direction : "max" or "min", never guessed from a name.
    seed : of the oracle, at least 1.
    epochs : of a full training; Hyperband gives many trials a part of it, and those that it takes up again the
        rest.
    trials : that are planned; Hyperband begins with a bracket of no more.
    """

    def __init__(
        self, tuner: str, space: dict, direction: str, seed: int, epochs: int, trials: int = _NEVER
    ) -> None:
        # A copy, because KerasTuner puts objects in the place of the conditions in what it is given.
        parameters = keras_tuner.HyperParameters.from_config(copy.deepcopy(space))
        self._oracle = _make_oracle(tuner, parameters, direction, seed, epochs, trials)
        self._oracle.verbose = 0
        self._tuner = tuner
        self.proposals: list[Proposal] = []
        self._trials: list[Any] = []
        self._results: dict[int, float | None] = {}
        self._told = 0
        self._idle_at: tuple[int, int] | None = None
        self.exhausted = False

    @property
    def asked(self) -> int:
        """How many trials have been proposed."""
        return len(self._trials)

    @property
    def lookahead(self) -> int:
        """How many trials may be open at once.

        The Gaussian process learns from every result before it proposes, once it has its first points, and could
        not be brought back without refitting it if it did not; the others lose nothing by looking ahead.
        """
        return 1 if self._tuner == "bayesian" and self.asked >= COHORT else COHORT

    def ask(self, known: dict[str, Any] | None = None) -> Proposal | None:
        """Propose the next trial; None while it has to wait for results, or if the space is exhausted.

        `known` are the values that this trial had in an earlier life, which the Bayesian oracle then takes
        over rather than fit its process again.
        """
        while not self.exhausted:
            while self._told <= self.asked - self.lookahead:
                if not self._tell():
                    return None
            # An oracle that idles may still draw random numbers: it is asked once for each state.
            if self._idle_at != (self.asked, self._told):
                if isinstance(self._oracle, _Bayesian):
                    self._oracle.known = known
                trial = self._oracle.create_trial(f"trial-{self.asked}")
                if trial.status == "RUNNING":
                    self._trials.append(trial)
                    return self._proposal(trial)
                if trial.status == "STOPPED":
                    self.exhausted = True
                    return None
                self._idle_at = (self.asked, self._told)
            if not self._tell():
                return None
        return None

    def tell(self, number: int, score: float | None) -> None:
        """Record the score of a trial; None if it failed. Any order, any time; the oracle hears it once."""
        self._results[number] = score

    def _tell(self) -> bool:
        """Hand the oracle the next result in order of the trials' numbers; False if it is not there."""
        if self._told >= self.asked or self._told not in self._results:
            return False
        trial, score = self._trials[self._told], self._results.pop(self._told)
        if score is None:
            trial.status = "FAILED"
        else:
            self._oracle.update_trial(trial.trial_id, {OBJECTIVE: score})
            trial.status = "COMPLETED"
        self._oracle.end_trial(trial)
        self._told += 1
        return True

    def _proposal(self, trial: Any) -> Proposal:
        found, number = trial.hyperparameters.values, len(self._trials) - 1
        values = {k: v for k, v in found.items() if not k.startswith("tuner/")}
        earlier = found.get("tuner/trial_id")
        lineage = self.proposals[int(earlier.rpartition("-")[2])].lineage if earlier else number
        self.proposals.append(Proposal(number, values, found.get("tuner/epochs"), lineage))
        return self.proposals[-1]
