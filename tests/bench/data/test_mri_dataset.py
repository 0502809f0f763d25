"""The builtin brains as a dataset, and what can and cannot be guessed from it without a network."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.data.dataset import Dataset
from bench.data.generators.mri import Header, Recipe, generate_dataset, scan_subject
from bench.data.preprocess.mri_scanner_features import scanner_features

SMALL = (10, 32, 32)


@pytest.fixture(scope="module")
def built() -> tuple[Dataset, list[Header]]:
    return generate_dataset(6, Recipe(), SMALL, workers=1)


def test_dataset(built: tuple[Dataset, list[Header]]) -> None:
    dataset, headers = built
    assert dataset.x.shape == (6, *SMALL, 1)
    assert dataset.x.dtype == np.float32
    assert np.bincount(dataset.y).tolist() == [3, 3]
    assert dataset.classes == ("normal", "tumour")
    assert len(set(dataset.subjects)) == 6
    assert dataset.stand_in
    assert dataset.sites is not None
    assert len(headers) == 6
    for header, site in zip(headers, dataset.sites, strict=True):
        assert (
            header["stored_k"]
            == {f"scanner-{i + 1}": n for i, n in enumerate((60, 48, 40, 32, 26, 20))}[site]
        )
        assert header["stored_i"] == header["stored_j"]


def test_fingerprint_follows_the_content(built: tuple[Dataset, list[Header]]) -> None:
    def made(**settings: object) -> str:
        recipe = Recipe(**settings)  # type: ignore[arg-type]
        return generate_dataset(2, recipe, (4, 8, 8), workers=1)[0].fingerprint

    assert made() == made()
    assert len({made(), made(seed=1), made(tumours=False)}) == 3


def _scanner_auc(recipe: Recipe, n: int) -> float:
    """How well the class can be guessed from the background and the header, by cross-validation."""
    dataset, headers = generate_dataset(n, recipe, SMALL, workers=1)
    values, _ = scanner_features(dataset.x, headers)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    scores = cross_val_predict(model, values, dataset.y, cv=5, method="decision_function")
    return float(roc_auc_score(dataset.y, scores))


@pytest.mark.slow
def test_scanner_features_find_a_set_whose_only_difference_is_the_scanner() -> None:
    assert _scanner_auc(Recipe(tumours=False, scanner_by_class=True), 30) > 0.95


@pytest.mark.slow
def test_scanner_features_stay_silent_where_classes_share_scanners() -> None:
    assert _scanner_auc(Recipe(seed=2), 60) < 0.7


@pytest.mark.slow
def test_no_single_voxel_gives_the_tumour_away() -> None:
    extremes, labels = [], []
    for index in range(120):
        scan = scan_subject(Recipe(seed=11), index)
        tissue = np.median(scan.volume[scan.volume > 0.3 * np.percentile(scan.volume, 98)])
        extremes.append(
            (scan.volume.max() / tissue, scan.volume.min() / tissue, scan.volume.max(), scan.volume.mean())
        )
        labels.append(scan.label)
    # the standard error of such an AUC is 0.05
    for values in np.array(extremes).T:
        assert roc_auc_score(labels, values) == pytest.approx(0.5, abs=0.15)
