"""Generated brains: seeded by subject, equal but for the tumour, honest about scanners."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from bench.data.generators.mri import CLASSES, Recipe, Scan, label_of, scan_subject, scanner_of
from bench.data.generators.mri_anatomy import random_pose
from bench.data.generators.mri_scanner import SCANNERS, Scanner, acquire, overlap_matrix
from bench.data.generators.mri_templates import Templates, load_templates
from bench.data.generators.mri_tumour import DIAMETER_MM, SMALLEST_DEPTH_MM, random_tumour
from bench.data.processes import map_processes


@pytest.fixture(scope="module")
def templates() -> Templates:
    return load_templates()


@pytest.fixture(scope="module")
def tumour_index() -> int:
    return next(index for index in range(2) if CLASSES[label_of(Recipe(), index)] == "tumour")


@pytest.fixture(scope="module")
def twins(templates: Templates, tumour_index: int) -> tuple[Scan, Scan]:
    """One person with and without the tumour."""
    sick = scan_subject(Recipe(), tumour_index, templates)
    healthy = scan_subject(Recipe(tumours=False), tumour_index, templates)
    return sick, healthy


def test_templates_are_a_brain(templates: Templates) -> None:
    np.testing.assert_allclose(templates.grey + templates.white + templates.fluid, templates.brain, atol=1e-5)
    volume_litres = templates.brain.sum() * 8e-6
    assert 1.6 < volume_litres < 2.1  # the MNI152 brain is large: 1.88 l with its fluid
    corner = templates.origin_mm + 2.0 * np.array(templates.shape)
    np.testing.assert_array_less(templates.origin_mm, (-60, -100, -65))
    np.testing.assert_array_less((75, 65, 65), corner)


def test_a_larger_set_begins_with_the_smaller_one() -> None:
    small = [scan_subject(Recipe(seed=3), index) for index in range(2)]
    large = [scan_subject(Recipe(seed=3), index) for index in range(4)]
    for a, b in zip(small, large, strict=False):
        np.testing.assert_array_equal(a.volume, b.volume)
        assert (a.label, a.subject, a.site) == (b.label, b.subject, b.site)
    assert len({scan.subject for scan in large}) == 4
    other_seed = scan_subject(Recipe(seed=4), 0)
    assert other_seed.subject != small[0].subject
    assert other_seed.volume.shape != small[0].volume.shape or (other_seed.volume != small[0].volume).any()


@pytest.mark.slow
def test_processes_change_nothing() -> None:
    recipe = Recipe(seed=5)
    calls = [(recipe, n) for n in range(5)]
    found = map_processes(scan_subject, calls, workers=2, description="Generating", shared=load_templates())
    for number, together in enumerate(found):
        alone = scan_subject(recipe, number)
        np.testing.assert_array_equal(alone.volume, together.volume)
        assert alone.subject == together.subject


def test_classes_are_balanced_in_every_prefix_and_in_random_order() -> None:
    labels = [label_of(Recipe(seed=9), index) for index in range(200)]
    assert sum(labels) == 100
    assert all(abs(2 * sum(labels[:n]) - n) <= 1 for n in range(200))
    assert 25 <= sum(labels[0::2]) <= 75  # not alternating


def test_the_scanner_is_independent_of_the_class_unless_asked() -> None:
    def table(recipe: Recipe) -> np.ndarray:
        counts = Counter((label_of(recipe, i), scanner_of(recipe, i).name) for i in range(2000))
        return np.array([[counts[label, scanner.name] for scanner in SCANNERS] for label in (0, 1)])

    assert stats.chi2_contingency(table(Recipe(seed=1))).pvalue > 0.01
    confounded = table(Recipe(seed=1, scanner_by_class=True))
    assert ((confounded == 0).sum(axis=0) == 1).all()  # every scanner sees one class only
    assert confounded.sum(axis=1).tolist() == [1000, 1000]


def test_only_the_tumour_tells_twins_apart(
    twins: tuple[Scan, Scan], templates: Templates, tumour_index: int
) -> None:
    sick, healthy = twins
    assert (sick.site, sick.voxel_mm, sick.volume.shape) == (
        healthy.site,
        healthy.voxel_mm,
        healthy.volume.shape,
    )
    scanner = next(s for s in SCANNERS if s.name == sick.site)
    difference = np.abs(sick.volume - healthy.volume) / scanner.brightness
    rng = np.random.default_rng([0, tumour_index, 5])
    tumour = random_tumour(templates, random_pose(np.random.default_rng([0, tumour_index, 3])), rng)
    # volumes are shown radiologically: rows and columns run against y and x
    centre = tumour.centre_mm * (1, -1, -1)
    distance = np.sqrt(
        sum(
            ((np.indices(difference.shape)[axis] - (n - 1) / 2) * mm - centre[axis]) ** 2
            for axis, (n, mm) in enumerate(zip(difference.shape, sick.voxel_mm, strict=True))
        )
    )
    assert difference[distance > 3 * tumour.radius_mm + 12].max() < 1e-5
    assert difference[distance < tumour.radius_mm / 2].mean() > 0.2


def test_tumours_are_as_large_and_as_spread_as_promised(templates: Templates) -> None:
    tumours, heights = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        pose = random_pose(rng)
        tumours.append(random_tumour(templates, pose, rng))
        mni = pose.matrix @ tumours[-1].centre_mm + pose.offset
        voxel = np.rint(templates.index(mni)).astype(int)
        assert templates.depth_mm[tuple(voxel)] > SMALLEST_DEPTH_MM - 4
        heights.append(mni[0])
    diameters = np.array([2 * tumour.radius_mm for tumour in tumours])
    assert DIAMETER_MM[0] <= diameters.min() < 25
    assert 42 < diameters.max() <= DIAMETER_MM[1]
    assert 0.68 < np.mean([tumour.rim is not None for tumour in tumours]) < 0.82
    # spread: a good part of the tumours crosses no slice near the middle
    assert np.ptp(heights) > 75
    assert np.mean(np.abs(np.array(heights) - np.median(heights)) > 25) > 0.3
    assert all(0.30 <= t.core <= 0.42 if t.rim else 0.42 <= t.core <= 0.55 for t in tumours)
    assert all(
        np.linalg.det(t.shape) == pytest.approx(1.0) or np.linalg.det(t.shape) == pytest.approx(-1.0)
        for t in tumours
    )


def test_overlap_averages_and_keeps_the_total() -> None:
    matrix = overlap_matrix(6, 2.0, 3, 4.0)
    np.testing.assert_allclose(matrix, np.kron(np.eye(3), [[0.5, 0.5]]), atol=1e-7)
    wide = overlap_matrix(10, 2.0, 30, 1.5)  # a field of view beyond the input
    np.testing.assert_allclose(wide.sum(axis=0) * 1.5, 2.0, atol=1e-5)
    np.testing.assert_allclose(wide[0], 0.0)


def test_noise_is_rician() -> None:
    scanner = Scanner("test", 20, 4.0, (40, 40), 2.0, 100.0, 0.0, 0.05)
    volume = acquire(np.zeros((40, 40, 40), np.float32), 2.0, scanner, np.random.default_rng(0))
    # without signal the Rician distribution is Rayleigh's
    assert stats.kstest(volume.ravel()[:5000], stats.rayleigh(scale=5.0).cdf).pvalue > 0.01


def test_scanners_make_20_to_60_slices_and_cover_the_brain() -> None:
    assert {scanner.depth for scanner in SCANNERS} == {20, 26, 32, 40, 48, 60}
    for scanner in SCANNERS:
        assert 150 <= scanner.depth * scanner.slice_mm <= 165
        assert scanner.matrix[0] * scanner.pixel_mm >= 210
