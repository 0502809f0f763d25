"""A search must propose the same trials whatever was killed, and however many ran at a time."""

import json
import math

import keras_tuner
import numpy as np
import pytest

from tuning.search import Search
from tuning.space import Choice, Fixed, Float, discover
from tuning.tuners import COHORT, TUNERS

EPOCHS = 9
# The Bayesian oracle takes seconds for a proposal from its ninth trial on, when it fits its process.
SLOW = [pytest.param(tuner, marks=pytest.mark.slow if tuner == "bayesian" else ()) for tuner in TUNERS]


def length(tuner: str) -> int:
    """Trials of a search that shows all there is to see: two from the Gaussian process are enough."""
    return 10 if tuner == "bayesian" else 30


@pytest.fixture(scope="module")
def space() -> dict:
    def build(hp):
        depth = hp.Choice("depth", [2, 3])
        with hp.conditional_scope("depth", [3]):
            if depth == 3:
                hp.Int("third_units", 8, 32, step=8)

    training = (
        Float("learning_rate", 1e-4, 1e-1, default=1e-2, log=True),
        Choice("batch_size", (64, 32)),
        Fixed("balance", "none"),
        Float("dropout", 0.0, 0.5, default=0.1),
    )
    return discover(build, training)["space"]


def score(proposal) -> float:
    """A made-up result that depends on the values alone."""
    return -((math.log10(proposal.values["learning_rate"]) + 2.3) ** 2) - proposal.values["dropout"]


def search(tuner: str, space: dict, direction: str = "max", seed: int = 7) -> Search:
    return Search(tuner, space, direction, seed, EPOCHS)


def run(found: Search, trials: int, open_at_once: int, rng: np.random.Generator, failed=()) -> list:
    """Ask and tell with up to so many open trials, which end in random order."""
    proposals, waiting = [], []
    while True:
        while len(waiting) < open_at_once and len(proposals) < trials:
            proposal = found.ask()
            if proposal is None:
                break
            proposals.append(proposal)
            waiting.append(proposal)
        if not waiting:
            return proposals
        ended = waiting.pop(int(rng.integers(len(waiting))))
        found.tell(ended.number, None if ended.number in failed else score(ended))


@pytest.mark.parametrize("tuner", SLOW)
def test_proposals_do_not_depend_on_how_many_trials_run_at_a_time(tuner, space):
    trials = 9 if tuner == "bayesian" else 30
    rng = np.random.default_rng(0)
    straight = run(search(tuner, space), trials, 1, rng)
    assert [proposal.number for proposal in straight] == list(range(trials))
    for open_at_once in (5,) if tuner == "bayesian" else (2, 5):
        assert run(search(tuner, space), trials, open_at_once, rng) == straight


@pytest.mark.parametrize("tuner", SLOW)
def test_a_search_brought_back_from_a_journal_goes_on_where_it_was(tuner, space):
    trials = length(tuner)
    recorded = run(search(tuner, space), trials, 1, np.random.default_rng(1), failed={3})
    known = json.loads(json.dumps([proposal.values for proposal in recorded]))
    for cut in (trials - 1,) if tuner == "bayesian" else (1, trials - 3, trials - 1):
        again = search(tuner, space)
        for number in range(cut):
            assert again.ask(known[number]) == recorded[number]
            again.tell(number, None if number == 3 else score(recorded[number]))
        for number in range(cut, trials):
            assert again.ask() == recorded[number]
            again.tell(number, None if number == 3 else score(recorded[number]))


@pytest.mark.slow
def test_a_known_bayesian_trial_is_taken_over_without_a_fit(space, monkeypatch):
    recorded = run(search("bayesian", space), 10, 1, np.random.default_rng(1))
    again = search("bayesian", space)
    fits = []
    original = again._oracle.gpr.fit
    monkeypatch.setattr(again._oracle.gpr, "fit", lambda *a: fits.append(1) or original(*a))
    for proposal in recorded[:9]:
        again.ask(proposal.values)
        again.tell(proposal.number, score(proposal))
    assert not fits
    assert again.ask() == recorded[9]
    assert len(fits) == 1


@pytest.mark.parametrize("tuner", TUNERS)
def test_more_trials_later_are_the_trials_of_a_longer_search(tuner, space):
    trials = 8 if tuner == "bayesian" else 20
    rng = np.random.default_rng(2)
    longer = run(search(tuner, space), trials, 3, rng)
    found = search(tuner, space)
    shorter = run(found, trials // 2, 3, rng)
    assert shorter + run(found, trials - trials // 2, 2, rng) == longer


@pytest.mark.parametrize("tuner", TUNERS)
def test_the_first_trial_is_the_defaults(tuner, space):
    first = search(tuner, space).ask()
    assert first.values == {
        "depth": 2,
        "learning_rate": 1e-2,
        "batch_size": 64,
        "balance": "none",
        "dropout": 0.1,
    }


@pytest.mark.parametrize("tuner", TUNERS)
def test_failed_trials_do_not_end_a_search(tuner, space):
    trials = 6 if tuner == "bayesian" else 20
    proposals = run(search(tuner, space), trials, 2, np.random.default_rng(0), failed=range(trials))
    assert len(proposals) == trials


@pytest.mark.parametrize("tuner", TUNERS)
def test_no_more_trials_are_open_than_the_lookahead(tuner, space):
    found = search(tuner, space)
    opened = 0
    while found.ask() is not None:
        opened += 1
    assert opened == COHORT
    assert not found.exhausted


@pytest.mark.slow
def test_the_gaussian_process_hears_of_each_trial_before_it_proposes_another(space):
    found = search("bayesian", space)
    for number in range(COHORT):
        found.tell(number, score(found.ask()))
    assert found.ask() is not None
    assert found.ask() is None


@pytest.mark.parametrize("tuner", ["random", "grid", "bayesian", "hyperband"])
def test_a_space_that_has_no_more_to_offer_says_so(tuner):
    parameters = keras_tuner.HyperParameters()
    parameters.Choice("a", [1, 2])
    parameters.Choice("b", ["x", "y"])
    found = Search(tuner, parameters.get_config(), "max", 3, 1)
    values = []
    while (proposal := found.ask()) is not None:
        values.append(tuple(sorted(proposal.values.items())))
        found.tell(proposal.number, float(proposal.values["a"]))
        assert len(values) <= 8
    assert found.exhausted
    assert found.ask() is None
    assert len(set(values)) == len(values)
    if tuner == "grid":
        assert set(values) == {(("a", a), ("b", b)) for a in (1, 2) for b in ("x", "y")}


def test_a_grid_that_cannot_be_finished_is_spread_over_all_of_it(space):
    proposals = run(search("grid", space), 8, 1, np.random.default_rng(0))
    for name in ("depth", "learning_rate", "batch_size", "dropout"):
        assert len({p.values[name] for p in proposals}) > 1, name
    rates = sorted(math.log10(p.values["learning_rate"]) for p in proposals)
    assert rates[0] < -3
    assert rates[-1] > -2


def test_a_grid_leaves_nothing_out(monkeypatch):
    """Points drawn evenly hit the last few of thousands so rarely that it was once taken to be finished."""
    monkeypatch.setattr("tuning.search._MOST_COLLISIONS", 3)
    training = tuple(Choice(name, tuple(range(5))) for name in "abc")
    found = search("grid", discover(lambda hp: None, training)["space"])
    values = []
    while (proposal := found.ask()) is not None:
        found.tell(proposal.number, 0.0)
        values.append(tuple(proposal.values.items()))
    assert len(set(values)) == len(values) == 5**3
    assert found.exhausted


def test_what_a_grid_has_left_out_is_found_along_its_conditions(monkeypatch):
    """Five exclusive branches of four-valued hyperparameters are 320 points of a product of billions."""
    monkeypatch.setattr("tuning.search._MOST_COLLISIONS", 0)

    def build(hp):
        branch = hp.Choice("branch", list(range(5)))
        for each in range(5):
            with hp.conditional_scope("branch", [each]):
                if branch == each:
                    for name in "abc":
                        hp.Choice(f"{name}{each}", [1, 2, 3, 4])

    found, values = search("grid", discover(build, ())["space"]), set()
    while (proposal := found.ask()) is not None:
        found.tell(proposal.number, 0.0)
        values.add(tuple(proposal.values.items()))
    assert len(values) == found.asked == 5 * 4**3


def test_a_grid_keeps_to_conditions(space):
    for proposal in run(search("grid", space), 20, 1, np.random.default_rng(0)):
        assert ("third_units" in proposal.values) == (proposal.values["depth"] == 3)


@pytest.mark.parametrize("trials", [6, 10, 20])
def test_hyperband_begins_with_a_bracket_that_can_be_finished(space, trials):
    """Of ten trials at 40 epochs, all had two epochs each once."""
    found = Search("hyperband", space, "max", 7, 40, trials)
    assert any(proposal.epochs == 40 for proposal in run(found, trials, 1, np.random.default_rng(0)))


def test_hyperband_goes_on_with_the_training_of_the_trial_that_it_promotes(space):
    proposals = run(Search("hyperband", space, "max", 7, EPOCHS, 20), 20, 1, np.random.default_rng(0))
    for proposal in proposals:
        origin = proposals[proposal.lineage]
        assert origin.values == proposal.values
        assert origin.epochs <= proposal.epochs
    assert any(proposal.lineage != proposal.number for proposal in proposals)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_hyperband_gives_more_epochs_to_the_best_of_a_round(space, direction):
    """Its first bracket over 9 epochs: 12 trials of one epoch, of which the best 4 get three (factor 3)."""
    proposals = run(search("hyperband", space, direction), 40, 1, np.random.default_rng(0))
    first = proposals[:9]
    assert {proposal.epochs for proposal in first} == {1}
    assert {proposal.epochs for proposal in proposals} == {1, 3, 9}
    first = [p for p in proposals if p.epochs == 1]
    values = [p.values for p in first]
    promoted = [values.index(p.values) for p in proposals if p.epochs == 3 and p.values in values]
    size = next(number for number, p in enumerate(proposals) if p.epochs != 1)
    ranked = sorted(range(size), key=lambda number: score(first[number]), reverse=direction == "max")
    assert size == 9
    assert sorted(promoted[:3]) == sorted(ranked[:3])


@pytest.mark.slow
def test_the_bayesian_oracle_goes_to_where_the_scores_are_better(space):
    """With "min" it must look for low scores: the direction reaches the Gaussian process."""

    def rate_told(direction: str) -> float:
        found = search("bayesian", space, direction)
        rates = []
        for _ in range(10):
            proposal = found.ask()
            rates.append(math.log10(proposal.values["learning_rate"]))
            found.tell(proposal.number, rates[-1])
        return float(np.mean(rates[8:]))

    assert rate_told("max") > rate_told("min") + 0.5


def test_values_are_ready_for_json(space):
    for tuner in TUNERS:
        for proposal in run(search(tuner, space), 8, 1, np.random.default_rng(0)):
            assert json.loads(json.dumps(proposal.values)) == proposal.values


def test_another_seed_is_another_search(space):
    one, other = (run(search("random", space, seed=seed), 5, 1, np.random.default_rng(0)) for seed in (1, 2))
    assert one[0] == other[0]
    assert one[1:] != other[1:]


def test_an_unknown_tuner_is_refused(space):
    with pytest.raises(ValueError, match="expected one of random"):
        search("annealing", space)
