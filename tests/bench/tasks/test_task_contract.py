"""What every task promises, whichever files there are; or those of `make contract FILES=task.py`."""

import keras_tuner
import pytest
from own_files import FILES, those_with

import architectures
from bench import tasks
from bench.tasks.contract.requirements import require_contract
from bench.worker.references import REFERENCES
from tuning.augment import STRENGTHS
from tuning.training import Recipe

NAMES = those_with("task") if FILES else tasks.names()
every_task = pytest.mark.parametrize("name", NAMES)


@every_task
def test_keeps_the_contract(name):
    task = tasks.load(name)
    require_contract(task)
    assert task.name == architectures.file_of(name).stem
    assert task.title
    assert set(task.references) <= set(REFERENCES)
    assert tasks.load(task.reference) is task


@every_task
def test_its_space_makes_a_recipe_with_a_strength_for_each_augmentation(name):
    task = tasks.load(name)
    hp = keras_tuner.HyperParameters()
    for entry in (*task.training_space, *task.transfer_space):
        entry.declare(hp)
    recipe = Recipe.from_values(hp.values, epochs=1)
    assert recipe.batch_size > 0
    assert set(task.augmentation) <= set(STRENGTHS) & set(recipe.settings)


@every_task
def test_what_its_presets_fix_is_there_to_be_fixed(name):
    task = tasks.load(name)
    fixed = {hyperparameter for preset in task.presets.values() for hyperparameter in preset.fixed}
    hp = keras_tuner.HyperParameters()
    for candidate in task.candidates:
        if fixed - {entry.name for entry in task.training_space} - set(hp.values):
            found = architectures.load(candidate.architecture)
            shapes = {"vector": (256,), "image": (32, 32, 1), "volume": (8, 32, 32, 1)}
            found.build(hp, shapes[found.input], 2)
    assert fixed <= {entry.name for entry in task.training_space} | set(hp.values)


@every_task
def test_options_of_preprocessing_spell_what_they_parse(name):
    for option in tasks.load(name).preprocessing_options.values():
        if option.default is not None:
            assert option.parse(option.spell(option.default)) == option.default
