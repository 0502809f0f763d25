"""What `make check` finds, and what it leaves alone."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from scipy.stats import chi2_contingency

from bench.data.checks.dataset_check import check_dataset
from bench.data.checks.duplicates import near_identical
from bench.data.checks.sites import _independence, site_predicts_label
from bench.data.dataset import Dataset


def _images(n, seed=0, size=32):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, 3, 3))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.float32)[..., None]


def _dataset(x, y, subjects=None, sites=None, **fields):
    n = len(y)
    subjects = np.arange(n) if subjects is None else np.asarray(subjects)
    return Dataset(
        "toy", x, np.asarray(y), subjects.astype(str), ("normal", "tumour"), "f", "", sites, **fields
    )


def test_copies_under_other_subjects_are_found_also_as_jpeg_and_with_other_contrast():
    x = _images(60)
    x[10] = x[3]
    x[20] = 0.5 * x[5] + 17
    buffer = io.BytesIO()
    Image.fromarray(x[7, ..., 0].astype(np.uint8)).save(buffer, "JPEG", quality=85)
    x[30, ..., 0] = np.asarray(Image.open(buffer))
    x[40] = x[41]
    subjects = np.arange(60)
    subjects[40] = 41  # one subject twice is no leak
    pairs = near_identical(_dataset(x, [0, 1] * 30, subjects))
    assert {(pair.first, pair.second) for pair in pairs} == {(3, 10), (5, 20), (7, 30)}
    for pair in pairs:
        expected = np.corrcoef(x[pair.first].ravel(), x[pair.second].ravel())[0, 1]
        assert pair.correlation == pytest.approx(expected, abs=1e-5)


def test_copies_of_volumes_are_found_over_block_borders(monkeypatch):
    monkeypatch.setattr("bench.data.checks.duplicates._BLOCK", 7)
    x = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(30, 12, 20, 20)), (0, 1, 2, 2))
    x[29] = x[2]
    x[9] = x[8]
    pairs = near_identical(_dataset(x[..., None].astype(np.float32), [0, 1] * 15))
    assert [(pair.first, pair.second) for pair in pairs] == [(2, 29), (8, 9)]


def test_report_of_counts_and_faults():
    x = _images(8)
    x[2] = 5
    x[3, 0, 0] = np.nan
    x[7] = x[0]
    lines, warnings = check_dataset(
        _dataset(
            x,
            [0, 0, 0, 1, 1, 1, 1, 1],
            ["a", "a", "b", "c", "d", "e", "f", "g"],
            np.array(["X", "X", "Y", "Y", "X", "X", "X", "X"]),
            official_test=np.arange(8) == 1,
        )
    )
    assert lines == [
        "toy: 8 samples of 7 subjects, 2 classes",
        "  normal: 3 samples of 2 subjects",
        "  tumour: 5 samples of 5 subjects",
        "  site X: 2 normal, 4 tumour",
        "  site Y: 1 normal, 1 tumour",
    ]
    assert warnings == [
        "1 samples have a single value everywhere (subjects b)",
        "1 samples hold values that are not finite (subjects c)",
        "1 pairs of near-identical images (correlation above 0.999) have different subject ids: a = g (1.0000)",
        "1 of these pairs have two labels: one of each is wrong",
        "1 subjects are in several parts of the official split (a)",
    ]


def test_a_sound_dataset_has_no_warnings():
    assert check_dataset(_dataset(_images(40), [0, 1] * 20))[1] == []


def test_site_that_gives_the_label_away_is_warned_of():
    y = np.repeat([0, 1], 40)
    alone = site_predicts_label(_dataset(np.zeros((80, 1)), y, sites=np.array(["A", "B"])[y]))
    assert alone is not None
    assert (alone.auc, alone.low) == (1.0, 1.0)
    noisy = np.array(["A", "B"])[np.where(np.arange(80) % 4 == 0, 1 - y, y)]
    found = site_predicts_label(_dataset(np.zeros((80, 1)), y, sites=noisy))
    assert found is not None
    assert found.auc == pytest.approx(0.75, abs=0.03)  # by hand: (0.75 + 0.75) / 2
    assert found.predicts
    assert site_predicts_label(_dataset(np.zeros((80, 1)), y, sites=np.full(80, "A"))) is None
    assert site_predicts_label(_dataset(np.zeros((80, 1)), y)) is None


def test_sites_without_meaning_rarely_raise_the_alarm():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):
        y, sites = rng.integers(0, 2, 80), rng.integers(0, 8, 80).astype(str)
        found = site_predicts_label(_dataset(np.zeros((80, 1)), y, sites=sites))
        alarms += found is not None and found.predicts
    assert alarms <= 2


def test_independence_is_tested_as_scipy_does():
    rng = np.random.default_rng(3)
    sites = rng.integers(0, 3, 400)
    y = (rng.random(400) < 0.45 + 0.05 * sites).astype(int)
    table = np.array([[np.sum((y == label) & (sites == site)) for site in range(3)] for label in range(2)])
    expected = chi2_contingency(table, correction=False).pvalue
    assert _independence(y, sites, rng) == pytest.approx(expected, abs=0.05)
