"""Spaces: what an architecture asks for is found whole, its conditional parts included."""

import hashlib
import json

import keras_tuner
import pytest

from tuning.seeds import seed_of
from tuning.space import Choice, Fixed, Float, defaults, describe, discover, fill_with_defaults

TRAINING = (
    Float("learning_rate", 1e-4, 1e-2, default=1e-3, log=True),
    Choice("schedule", ("cosine", "constant")),
    Fixed("balance", "weighted"),
)


def nested(hp) -> None:
    """Two levels of conditions, neither of which the defaults reach; KerasTuner wants the scope outside."""
    pooling = hp.Choice("pooling", ["max", "attention"])
    with hp.conditional_scope("pooling", ["attention"]):
        if pooling == "attention":
            hp.Int("heads", 1, 4)
            attention = hp.Choice("attention", ["full", "window"])
            with hp.conditional_scope("attention", ["window"]):
                if attention == "window":
                    hp.Int("window", 2, 8, step=2)
    hp.Choice("units", [32, 64])


def test_every_conditional_hyperparameter_is_found():
    found = discover(nested, TRAINING)
    assert found["structural"] == ["attention", "heads", "pooling", "units", "window"]
    names = [entry["config"]["name"] for entry in found["space"]["space"]]
    assert sorted(names) == sorted([*found["structural"], "learning_rate", "schedule", "balance"])


def test_the_space_goes_through_json_and_comes_back_with_its_conditions():
    found = json.loads(json.dumps(discover(nested, TRAINING)))
    hp = keras_tuner.HyperParameters.from_config(found["space"])
    assert hp.values == {
        "pooling": "max",
        "units": 32,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "balance": "weighted",
    }
    hp.values = {"pooling": "attention", "attention": "window"}
    fill_with_defaults(hp)
    assert hp.values["window"] == 2
    assert hp.values["heads"] == 1


def test_what_is_fixed_is_not_searched():
    found = discover(nested, TRAINING, fixed={"pooling": "attention"})
    assert found["structural"] == ["attention", "heads", "pooling", "units", "window"]
    hp = keras_tuner.HyperParameters.from_config(found["space"])
    fill_with_defaults(hp)
    assert hp.values["pooling"] == "attention"
    fixed = keras_tuner.engine.hyperparameters.Fixed
    searched = {entry.name for entry in hp.space if not isinstance(entry, fixed)}
    assert searched == {"attention", "heads", "window", "units", "learning_rate", "schedule"}


@pytest.mark.parametrize("fixed", [{"units": 48}, {"attention": "window"}, {"shrink": 2}])
def test_a_value_that_is_not_offered_or_only_under_a_condition_is_not_fixed(fixed):
    assert discover(nested, TRAINING, fixed=fixed) == discover(nested, TRAINING)


def test_a_training_hyperparameter_that_is_fixed_is_on_record_and_not_searched():
    found = discover(nested, TRAINING, fixed={"schedule": "constant"})
    assert "schedule" not in found["structural"]
    entries = {entry["config"]["name"]: entry for entry in found["space"]["space"]}
    assert entries["schedule"]["class_name"] == "Fixed"
    assert entries["schedule"]["config"]["value"] == "constant"


def test_what_is_held_stands_above_what_is_fixed():
    found = discover(nested, TRAINING, held={"units": 64}, fixed={"units": 32, "pooling": "attention"})
    hp = keras_tuner.HyperParameters.from_config(found["space"])
    assert hp.values["units"] == 64
    assert hp.values["pooling"] == "attention"


def test_discovering_twice_finds_the_same():
    assert discover(nested, TRAINING) == discover(nested, TRAINING)


def test_build_is_called_with_hyperparameters_alone_that_are_active():
    asked = []

    def build(hp):
        asked.append(hp.Choice("pooling", ["max", "attention"]))
        nested(hp)

    discover(build, ())
    assert set(asked) == {"max", "attention"}


def test_held_structural_values_are_on_record_but_not_searched():
    found = discover(nested, TRAINING, held={"units": 64})
    hp = keras_tuner.HyperParameters.from_config(found["space"])
    assert hp.values["units"] == 64
    assert hp.values["pooling"] == "max"
    fixed = {entry.name for entry in hp.space if isinstance(entry, keras_tuner.engine.hyperparameters.Fixed)}
    assert fixed == {"units", "pooling", "balance"}
    assert found["structural"] == ["pooling", "units"]


def test_one_name_cannot_be_structural_and_of_the_training():
    with pytest.raises(ValueError, match="hyperparameter units is both"):
        discover(nested, (Float("units", 0.0, 1.0, default=0.5),))


def test_defaults_and_description_of_a_training_space():
    assert defaults(TRAINING) == {"learning_rate": 1e-3, "schedule": "cosine", "balance": "weighted"}
    described = json.loads(json.dumps(describe(TRAINING)))
    assert described[0] == {
        "kind": "Float",
        "name": "learning_rate",
        "low": 1e-4,
        "high": 1e-2,
        "default": 1e-3,
        "log": True,
    }
    assert [entry["kind"] for entry in described] == ["Float", "Choice", "Fixed"]


def test_seeds_hang_on_names_alone_and_are_never_zero():
    assert seed_of("digits", "compact", 0, "search") == seed_of("digits", "compact", "0", "search")
    seeds = {seed_of("digits", "compact", fold, kind) for fold in range(50) for kind in ("search", "oracle")}
    assert len(seeds) == 100
    assert all(1 <= seed < 2**31 for seed in seeds)
    # On record: another value would silently change the results of every sweep there is.
    digest = hashlib.sha256(b"digits/compact/0/search").digest()
    assert seed_of("digits", "compact", 0, "search") == int.from_bytes(digest[:4], "little") % (2**31 - 1) + 1
