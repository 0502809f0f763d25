"""Generated subjects for study and pretraining have streams that cannot meet."""

import numpy as np
import pytest

from bench import tasks
from bench.data.generators import mri, spect
from bench.data.generators.streams import stream
from bench.errors import UserError


def _draw(*arguments):
    return stream(*arguments).integers(0, 2**63, 4).tolist()


def test_a_study_is_what_it_always_was():
    assert _draw("study", 5, 2, 7) == np.random.default_rng([5, 2, 7]).integers(0, 2**63, 4).tolist()


@pytest.mark.parametrize("seed", [0, 1, 1_000_003, 2**32 - 1])
def test_no_seed_of_a_study_makes_the_pretraining_brains(monkeypatch, seed):
    """`DATA=builtin:seed=1000003` once tested on the very brains that were learned from before."""
    recipes = []
    monkeypatch.setattr(
        "bench.tasks.mri.generate_dataset", lambda n, recipe, *_, **__: recipes.append(recipe) or [None]
    )
    tasks.load("mri").pretraining(samples=2)
    study = mri.Recipe(seed=seed)
    for one, other in zip(
        mri.subject_streams(study, 3).values(), mri.subject_streams(recipes[0], 3).values(), strict=True
    ):
        assert one.integers(2**63) != other.integers(2**63)


def test_no_image_of_a_study_shares_a_stream_with_pretraining(monkeypatch):
    seen = []
    monkeypatch.setattr(spect, "stream", lambda *key: seen.append(key) or stream(*key))
    pretraining = tasks.load("spect").pretraining(samples=3)
    seed = int(pretraining.subjects[0].split("-")[0])
    for_pretraining = {tuple(_draw(*key)) for key in seen}
    seen.clear()
    for used in (seed, 1_000_003):
        spect.generate(spect.study(), 3, used)
    assert not for_pretraining & {tuple(_draw(*key)) for key in seen}


def test_seeds_of_two_words_are_refused():
    """[2^32 k + s, i, j] would be the stream of [s, k, i, j]."""
    with pytest.raises(UserError, match=r"found a seed out of range; expected 0 to 4294967295"):
        stream("study", 2**32, 1, 2)
