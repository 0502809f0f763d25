"""USPS digits: how small can a fully connected network be?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.data import formats
from bench.data.sources import digits_standin, usps
from bench.errors import UserError
from bench.tasks import Candidate, Task, builtin_options, full, is_builtin, quick, smoke, store
from bench.tasks.contract.options import Choices
from tuning.space import Choice, Float


class Digits(Task):
    """Ten classes of 16x16 grey images; fully connected networks are the subject.

    Validation images come out of the official training images; the official test images are seen by
    nothing but the final refits.
    """

    name = "digits"
    title = "Handwritten digits with compact fully connected networks"
    metric = "accuracy"
    candidates = (Candidate("compact"), Candidate("wide"), Candidate("deep"), Candidate("cnn"))
    references = ("nearest_neighbours", "logistic_regression", "rbf_svm")
    training_space = (
        Float("learning_rate", 5e-4, 1e-2, default=2e-3, log=True),
        Choice("schedule", ("cosine", "constant")),
        Float("weight_decay", 1e-3, 0.3, default=0.03, log=True),
        Choice("batch_size", (64, 32, 128)),
        Float("dropout", 0.0, 0.2, default=0.0),
        Float("label_smoothing", 0.0, 0.1, default=0.02),
        Float("rotation_degrees", 0.0, 15.0, default=10.0),
        Float("shift", 0.0, 0.1, default=0.06),
        Float("zoom", 0.0, 0.2, default=0.1),
        Float("elastic", 0.0, 0.05, default=0.02),
    )
    augmentation = ("rotation_degrees", "shift", "zoom", "elastic")
    presets = {
        "smoke": smoke(3, trials=2, seeds=2, judged_at=(1,)),
        "quick": quick(20, judged_at=(5,)),
        "full": full(60, judged_at=(7, 20)),
    }
    reads_folders = False
    preprocessing_words = "A grey image of 16 x 16 pixels, from -1 (background) to 1 (ink)."
    preprocessing = {"scaling": "grey values in [-1, 1]"}

    def load(self, data: str | None, folder: Path, cache: Path, preprocessing: Choices | None = None) -> Path:
        if is_builtin(data):
            builtin_options(data or "", {})
        elif data is not None:
            return store(usps.load(Path(data)), cache)
        elif usps.is_there(folder):
            return store(usps.load(folder), cache)
        return store(digits_standin.load(), cache)

    def read(self, paths: Sequence[Path], preprocessing: Choices | None = None) -> np.ndarray:
        """Grey images of 16x16 pixels, bright ink on dark; of 8 bits, or from -1 to 1 as the data are.

        Whole numbers from 0 on are of 8 bits, also where all are 0 or 1.
        """
        images = []
        for path in paths:
            found = formats.read(path)
            image, low, high = found.array, found.array.min(), found.array.max()
            mode = found.facts.get("stored_mode")  # a picture has one, also one in colour
            if image.shape != (16, 16):
                size = "x".join(map(str, image.shape))
                raise UserError(f"{path}: found an image of {size}; expected 16x16 grey pixels")
            of_fractions = mode in (None, "F")
            is_scaled = of_fractions and low >= -1 and high <= 1 and (low < 0 or (image % 1).any())
            if not is_scaled and (low < 0 or high > 255 or str(mode).startswith("I")):
                bits, span = f"{found.facts.get('stored_bits', 0):g} bits", f"{low:g} to {high:g}"
                raise UserError(f"{path}: found {span} in {bits}; expected 8 bits, or values from -1 to 1")
            images.append(image if is_scaled else image / 127.5 - 1)
        return np.stack(images)[..., None].astype(np.float32)

    def fetch(self, folder: Path, source: str | None = None, name: str = "") -> list[str]:
        return usps.fetch(folder, source)


task = Digits()
