"""Random streams of generated subjects, parted by what the subjects are for."""

import numpy as np

from bench.errors import UserError

# What generated subjects are for, and the spawn key that keeps their streams apart from all others', whatever
# the seeds: NumPy pads the words of seed and place to its pool's four before it appends a key. A study has
# none, as when there was nothing else. Its test subjects are further subjects of the same cohort.
_SPAWN_KEYS: dict[str, tuple[int, ...]] = {"study": (), "pretraining": (1,)}


def stream(purpose: str, seed: int, *place: int) -> np.random.Generator:
    """The generator of one step of one subject.

    `purpose` is `study` or `pretraining`; `seed` is below 2^32, since a larger one would be two words, the second
    like another's first place; `place` is at most three numbers that name the subject and the step.

    Raises UserError: a larger seed.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"DATA=builtin:seed={seed}: found a seed out of range; expected 0 to {2**32 - 1}")
    return np.random.default_rng(np.random.SeedSequence([seed, *place], spawn_key=_SPAWN_KEYS[purpose]))
