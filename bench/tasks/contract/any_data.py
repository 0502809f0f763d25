"""What tasks share that are asked of whatever images or volumes a user has."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

from bench.tasks.contract.candidate import Candidate, Preset, full, quick, smoke
from bench.tasks.contract.options import Choices
from bench.tasks.contract.task import Task
from tuning.space import Choice, Float

# What is compared unless ARCH says otherwise: the others take several times as long.
FOR_IMAGES = (Candidate("cnn"), Candidate("resnet"), Candidate("vgg16"))
FOR_VOLUMES = (Candidate("cnn_3d"), Candidate("early_fusion"), Candidate("single_slice"))
_EPOCH_VALUES = 2.2e7  # pixels or voxels of an epoch beyond which a training has fewer epochs
_REFERENCE_VALUES = 1e8  # of the training part; a decomposition of more takes minutes and gigabytes
_LEAST_EPOCHS = 3


class AnyDataTask(Task):
    """Images `[height, width, channels]` or volumes `[depth, height, width, channels]` of any classes."""

    candidates: Sequence[Candidate] = (*FOR_IMAGES, *FOR_VOLUMES)
    references = ("pca_logistic", "pca_svm")
    training_space = (
        Float("learning_rate", 5e-4, 5e-3, default=2e-3, log=True),
        Choice("schedule", ("cosine",)),
        Float("weight_decay", 1e-3, 0.1, default=0.02, log=True),
        Choice("batch_size", (32, 16)),
        Choice("balance", ("none", "weighted")),
        Float("dropout", 0.0, 0.4, default=0.2),
        Float("label_smoothing", 0.0, 0.1, default=0.05),
        Choice("flip", (0.5, 0.0)),  # left and right may be what is asked for
        Choice("mirror", (0.0, 0.5)),
        Float("rotation_degrees", 0.0, 15.0, default=8.0),
        Float("shift", 0.0, 0.08, default=0.04),
        Float("zoom", 0.0, 0.15, default=0.08),
        Float("gain", 0.0, 0.2, default=0.1),
        Choice("clean", (0.25,)),  # see `tuning.augment.mirroring_unless`
    )
    transfer_space = (Float("frozen", 0.0, 0.5, default=0.0),)
    augmentation = ("flip", "mirror", "rotation_degrees", "shift", "zoom", "gain")
    presets = {
        "smoke": smoke(1),
        "quick": quick(20, judged_at=(5,), ablation_seeds=0, searches_structure=False),
        "full": full(50, judged_at=(6, 17), ablation_seeds=1),
    }
    preprocessing: Choices = {}

    def for_samples(self, n: int, shape: Sequence[int], **changes: Any) -> Self:
        """The task as it is for `n` training samples of a shape `[..., channels]`.

        Candidates are those that take such samples. The more there are, the fewer epochs a training has; where
        there are very many, no classical method is fitted to them.
        """
        values = max(n * math.prod(shape), 1)
        share = min(1.0, _EPOCH_VALUES / values)
        return self.but(
            **{
                "candidates": FOR_VOLUMES if len(shape) == 4 else FOR_IMAGES,
                "references": self.references if values <= _REFERENCE_VALUES else (),
                "presets": {name: _shortened(preset, share) for name, preset in self.presets.items()},
                **changes,
            }
        )


def _shortened(preset: Preset, share: float) -> Preset:
    """The preset with this share of its epochs, `_LEAST_EPOCHS` at least where it has as many."""
    epochs = max(min(preset.epochs, _LEAST_EPOCHS), round(preset.epochs * share))
    judged_at = {max(round(rung * epochs / preset.epochs), 1) for rung in preset.judged_at} - {epochs}
    return replace(preset, epochs=epochs, judged_at=tuple(sorted(judged_at)))
