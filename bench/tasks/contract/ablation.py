"""One thing changed in the best network, to see what it was worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.tasks.contract.options import Choices


@dataclass(frozen=True)
class Ablation:
    """One thing changed in the best network's training, everything else as it was."""

    name: str  # in the journal
    title: str  # in the report ("without the crop")
    learning: str = ""  # the learning that it puts to the test, a sentence for the report, or ""
    preprocessing: Choices = field(default_factory=dict)  # replaces these choices of the task's
    # Replaces these hyperparameters, if the winner has them; a training starts from random weights
    # where "transfer" is set to "scratch".
    values: dict[str, Any] = field(default_factory=dict)
    # "without" where the thing is taken away, "with" where it is put in place of the winner's.
    effect: str = "without"

    def applies(self, preprocessing: Choices, values: dict[str, Any]) -> bool:
        """Say whether it changes anything."""
        return any(preprocessing.get(k) != v for k, v in self.preprocessing.items()) or any(
            k in values and values[k] != v for k, v in self.values.items()
        )


NO_NORMALISATION = Ablation(
    "no_normalisation", "without normalisation", "normalisation helps", {"normalisation": "none"}
)
# Random weights are not frozen: in layers that never learn they would be no fair comparison.
NO_TRANSFER = Ablation(
    "no_transfer",
    "from random weights",
    "transfer learning helps",
    values={"transfer": "scratch", "frozen": 0.0},
)


def no_augmentation(strengths: Sequence[str]) -> Ablation:
    """An ablation that leaves training images as they are."""
    values = dict.fromkeys(strengths, 0.0)
    return Ablation("no_augmentation", "without augmentation", "augmentation helps", values=values)
