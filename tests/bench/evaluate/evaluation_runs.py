"""Runs for the tests of evaluation."""

import numpy as np

from bench.evaluate.predictions import Run


def random_run(seed: int, n_classes: int = 3, n: int = 60, fold: int = 0, subjects_each: int = 1) -> Run:
    """A run with errors; the samples hang on the fold alone, the probabilities on the seed too."""
    samples = np.random.default_rng(fold)
    y = samples.integers(n_classes, size=n)
    random = np.random.default_rng([fold, seed])
    probabilities = random.dirichlet(np.ones(n_classes), size=n)
    right = random.random(n) < 0.5
    probabilities[right] = 0.4 * probabilities[right] + 0.6 * np.eye(n_classes)[y[right]]
    subjects = np.array([f"f{fold}-{i // subjects_each:03d}" for i in range(n)])
    return Run(y, probabilities, subjects, fold, seed)


def run_of(y: list[int], predicted: list[int], n_classes: int, seed: int = 0, prefix: str = "s") -> Run:
    """A run that predicts the given classes, a subject a sample."""
    probabilities = np.full((len(y), n_classes), 0.1 / max(n_classes - 1, 1))
    probabilities[np.arange(len(y)), predicted] = 0.9
    subjects = np.array([f"{prefix}{i:03d}" for i in range(len(y))])
    return Run(np.array(y), probabilities, subjects, 0, seed)
