"""What generated data cost, on one core: SPECT images and MRI volumes."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench.data.generators import spect
from bench.data.generators.mri import Recipe, generate_dataset


def measure(_: Path, trials: int = 1000) -> Iterator[str]:
    """Generate `trials` SPECT images, and a volume of MRI for every fifty of them."""
    spect.generate(spect.study(), 1)  # the templates are read once
    began = time.process_time()
    spect.generate(spect.study(), trials)
    yield f"spect: {(time.process_time() - began) / trials * 1e3:.2f} ms of CPU an image, over {trials}"

    volumes = max(1, trials // 50)
    recipe, grid = Recipe(seed=0), (32, 96, 96)
    generate_dataset(1, recipe, grid, workers=1)
    began = time.process_time()
    generate_dataset(volumes, recipe, grid, workers=1)
    yield f"mri: {(time.process_time() - began) / volumes * 1e3:.0f} ms of CPU a volume, over {volumes}"
