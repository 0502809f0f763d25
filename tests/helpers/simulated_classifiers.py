"""Simulated classifiers with known accuracy, whose errors are as related as those of real ones.

A probit model: a sample is classified rightly if the ability for its class, plus how well the seed turned
out, exceeds the sample's difficulty. Difficulty is the sum of what is hard for everybody, for this
architecture, and for this seed of it; the first part is shared by the samples of a subject.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from bench.evaluate.predictions import Run

# Shares of the variance of difficulty: for all architectures, for one of them; the rest belongs to the seed. With
# these, two seeds agree on 83% of samples at an accuracy of 80%, and two architectures on 80%.
COMMON, OWN = 0.5, 0.15
SEED_SPREAD = 0.07  # standard deviation, in probits, of ability between seeds: two points of accuracy at 80%
CLASS_SPREAD = 0.1  # accuracy of the easiest class less that of the hardest
IMBALANCE = 2.0  # size of the largest class over that of the smallest


class Study:
    """Test subjects with classes and difficulties, on whom architectures are tried.

    Attributes
    ----------
    y : int `[samples]`. Classes have the sizes given, or those that `IMBALANCE` asks for; the first is the
        hardest, and then the smallest.
    subjects : str `[samples]`.
    """

    def __init__(
        self,
        random: np.random.Generator,
        n_subjects: int,
        n_classes: int,
        samples_per_subject: int | Sequence[int] = 1,
        n_folds: int = 1,
        seed_spread: float = SEED_SPREAD,
        class_sizes: Sequence[int] = (),
    ) -> None:
        self.random, self.n_classes, self.n_folds, self.seed_spread = random, n_classes, n_folds, seed_spread
        shares = np.linspace(1.0, IMBALANCE, n_classes)
        quantiles = (np.arange(n_subjects) + 0.5) / n_subjects
        classes = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], quantiles)
        if class_sizes:
            classes = np.repeat(np.arange(n_classes), class_sizes)
        owner = np.repeat(np.arange(n_subjects), samples_per_subject)
        self.y = classes[owner]
        self.subjects = np.array([f"s{i:04d}" for i in range(n_subjects)])[owner]
        self.fold = (np.arange(n_subjects) % n_folds)[owner]
        self._owner = owner
        self._difficulty = self._noise(COMMON)
        self._confused = (self.y + random.integers(1, n_classes, size=len(owner))) % n_classes

    def class_accuracies(self, accuracy: float) -> np.ndarray:
        """True accuracy in each class, `[classes]`, about a mean of `accuracy`; always below one."""
        return accuracy + min(CLASS_SPREAD, 1 - accuracy) * np.linspace(-0.5, 0.5, self.n_classes)

    def truth(self, accuracy: float, metric: str) -> float:
        """The true value over subjects and seeds of `accuracy` or `balanced_accuracy`."""
        per_class = self.class_accuracies(accuracy)
        return float(per_class.mean() if metric == "balanced_accuracy" else per_class[self.y].mean())

    def architecture(self, accuracy: float, seed_spread: float | None = None) -> "Architecture":
        """Draw an architecture whose mean accuracy over classes is `accuracy`; its seeds spread as the study's."""
        return Architecture(self, accuracy, self.seed_spread if seed_spread is None else seed_spread)

    def _noise(self, variance: float) -> np.ndarray:
        """Normal difficulty of each sample, half of its variance the subject's."""
        subject = self.random.normal(size=self._owner[-1] + 1)[self._owner]
        sample = self.random.normal(size=len(self._owner))
        return np.sqrt(variance / 2) * (subject + sample)


class Architecture:
    """One architecture in a study: the same difficulties each time it is trained, another seed."""

    def __init__(self, study: Study, accuracy: float, seed_spread: float) -> None:
        self.study, self.seed_spread = study, seed_spread
        self._difficulty = study._difficulty + study._noise(OWN)
        total = np.sqrt(1.0 + seed_spread**2)
        self._ability = total * ndtri(study.class_accuracies(accuracy))[study.y]

    def runs(self, n_seeds: int) -> list[Run]:
        """Train with `n_seeds` new seeds in every fold and predict the test subjects."""
        return [self._run(fold, seed) for fold in range(self.study.n_folds) for seed in range(n_seeds)]

    def _run(self, fold: int, seed: int) -> Run:
        study, random = self.study, self.study.random
        difficulty = self._difficulty + study._noise(1.0 - COMMON - OWN)
        margin = self._ability + self.seed_spread * random.normal() - difficulty
        predicted = np.where(margin > 0, study.y, study._confused)
        # Logits: the predicted class ahead of the others by the margin, which share what is left unevenly.
        logits = -random.exponential(size=(len(margin), study.n_classes))
        logits[np.arange(len(margin)), predicted] = 2.0 * np.abs(margin) + 1e-6
        probabilities = np.exp(logits)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        here = study.fold == fold
        return Run(study.y[here], probabilities[here], study.subjects[here], fold, seed)
