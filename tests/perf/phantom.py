"""`pretrain spect` on images of a recipe that it has not seen, at four blurs: does its threshold hold?

The network is trained on the first recipe alone. The second recipe's subjects are smoothed by 0 to 24 mm more, as
old cameras and other reconstructions do; the best threshold of each blur is one that nobody could know.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from bench import tasks
from bench.data.generators import spect
from bench.data.generators.spect_other import OtherImaging
from bench.deploy.calibration import log_loss

BLURS_MM = (0.0, 7.5, 15.0, 24.0)
SEED = 303  # of the test subjects; choices were made on those of 101, and 202 was looked at on the way


def test_settings(extra_mm: float) -> spect.SpectSettings:
    """Normal subjects and patients of the second recipe, every image from a scanner of its own."""
    imaging = OtherImaging(smooth_probability=1.0, smooth_fwhm_mm=(extra_mm, extra_mm))
    severity = ((0.0, 0.0), (0.5, 3.3))
    return spect.SpectSettings("other", ("normal", "patient"), severity, (0, 1), imaging, severity_shape=1.8)


def balanced_accuracy(patient: np.ndarray, y: np.ndarray, threshold: float) -> float:
    """Mean of sensitivity and specificity where `patient` (a probability) is above a threshold."""
    called = patient > threshold
    return float((called[y == 1].mean() + (~called[y == 0]).mean()) / 2)


def best_balanced_accuracy(patient: np.ndarray, y: np.ndarray) -> float:
    """At the threshold that these very subjects choose: an upper bound, optimistic with few of them."""
    return max(balanced_accuracy(patient, y, threshold) for threshold in np.unique(patient))


def measure(folder: Path, trials: int = 1000) -> Iterator[str | pd.DataFrame]:
    """Pretrain as the command does by default (or take the folder in SCANBENCH_MODEL); `trials` images a blur."""
    from bench.deploy import predict, pretrain, saved_network

    task = tasks.load("spect")
    model = os.environ.get("SCANBENCH_MODEL")
    if model is None:
        model = pretrain.pretrain(
            task,
            folder / "model",
            folder / "cache",
            architecture=task.candidates[0].architecture,
            classes=task.alone_classes,
            samples=task.alone_samples,
            epochs=task.presets["full"].pretraining_epochs,
            preprocessing=task.alone_preprocessing,
        )
    network = saved_network.load(Path(model), task)
    yield f"{trials} images of the second recipe for each blur."
    rows = []
    for extra_mm in BLURS_MM:
        data = spect.generate(test_settings(extra_mm), trials, SEED)
        x = np.asarray(task.prepare(data.x, network.facts["preprocessing"]), np.float32)
        patient, y = predict.probabilities(network, x)[:, 1], data.y
        rows.append(
            {
                "extra blur mm": f"{extra_mm:g}",
                "AUC": f"{roc_auc_score(y, patient):.4f}",
                "balanced accuracy at 0.5": f"{balanced_accuracy(patient, y, 0.5):.3f}",
                "at the best threshold": f"{best_balanced_accuracy(patient, y):.3f}",
                "sensitivity": f"{(patient[y == 1] > 0.5).mean():.3f}",
                "specificity": f"{(patient[y == 0] <= 0.5).mean():.3f}",
                "log loss": f"{log_loss(y, np.stack([1 - patient, patient], axis=1)).mean():.3f}",
            }
        )
    yield pd.DataFrame(rows)
