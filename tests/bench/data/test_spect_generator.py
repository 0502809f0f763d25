"""The generated DaT SPECT images: physiology, seeding, looks that can be counted."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bench.data.generators import spect, spect_imaging
from bench.data.generators.spect_anatomy import CAUDATE, Pose, _inside, striatum, tissue
from bench.data.generators.spect_physiology import Uptake, draw_uptake
from bench.data.preprocess.spect_binding_ratios import binding_ratios
from bench.data.preprocess.spect_grid import X_MM, Y_MM, column_of, row_of

NO_POSE = Pose(0.0, np.zeros(2), np.ones(2))


def quiet(imaging=spect_imaging.STUDY):
    """Imaging without noise to speak of, pose, shape or haze."""
    return replace(
        imaging, counts=(1e5, 1e5), scatter=(0, 0), scalp=(0, 0), shading=0, gain=(1, 1), rotation_degrees=0,
        shift_mm=0, scale=0, shape_mm=0, shape_log=0, shape_degrees=0,
    )  # fmt: skip


def test_default_cohort_has_the_shares_and_the_form_of_a_dataset():
    data = spect.generate(spect.study(), 40, seed=1)
    assert data.x.shape == (40, 109, 91, 1)
    assert data.x.dtype == np.float32
    assert np.isfinite(data.x).all()
    assert data.x.min() >= 0
    assert data.classes == ("early", "middle", "late")
    assert np.bincount(spect.labels(spect.study(), 240, 1)).tolist() == [144, 60, 36]
    assert len(set(data.subjects)) == 40
    assert set(data.sites) <= {f"site-{n}" for n in range(1, 9)}
    assert data.stand_in
    assert "MNI152" in data.provenance


def test_larger_set_extends_smaller_and_start_continues():
    settings = spect.study(normal=True)
    whole = spect.generate(settings, 30, seed=5)
    small, rest = spect.generate(settings, 13, seed=5), spect.generate(settings, 17, seed=5, start=13)
    for name in ("x", "y", "subjects", "sites"):
        joined = np.concatenate([getattr(small, name), getattr(rest, name)])
        np.testing.assert_array_equal(joined, getattr(whole, name))
    assert whole.fingerprint == spect.generate(settings, 30, seed=5).fingerprint
    assert whole.fingerprint != spect.generate(settings, 30, seed=6).fingerprint


def test_no_subjects_at_all():
    assert spect.generate(spect.study(), 0).x.shape == (0, 109, 91, 1)


def test_healthy_ratios_are_those_published_once_blurred():
    settings = replace(
        spect.study(normal=True), classes=("normal",), severity=((0, 0),), block=(0,), imaging=quiet()
    )
    ratios = binding_ratios(spect.generate(settings, 150, seed=2).x).mean(axis=0)
    np.testing.assert_allclose(ratios[:2], 3.0, atol=0.3)  # caudate, controls of PPMI
    np.testing.assert_allclose(ratios[2:], 2.2, atol=0.25)  # putamen


def test_physiology_of_many_subjects():
    rng = np.random.default_rng(0)
    healthy = [draw_uptake(rng, 0) for _ in range(3000)]
    log_putamen = np.log([h.putamen[0] for h in healthy])
    age = np.array([h.age_years for h in healthy])
    slope = np.polyfit(age, log_putamen, 1)
    assert np.expm1(10 * slope[0]) == pytest.approx(-0.06, abs=0.015)  # a decade
    assert np.std(log_putamen - np.polyval(slope, age)) == pytest.approx(0.2, abs=0.01)
    early = [draw_uptake(rng, 1) for _ in range(200)]
    loss = np.sort([e.putamen_loss for e in early], axis=1)
    np.testing.assert_allclose(loss, np.tile([0.3, 0.5], (200, 1)))
    assert 60 < sum(e.putamen_loss[0] > e.putamen_loss[1] for e in early) < 140  # either side


def test_posterior_putamen_goes_first():
    uptake = Uptake(np.ones(2), np.full(2, 3.0), np.array([0.5, 0.3]), 0.6, 60)
    front, back = uptake.putamen_at(0, np.array([-1.0, 1.0]))
    assert front == pytest.approx(3 * (1 - 0.5 * 0.4))
    assert back == pytest.approx(3 * (1 - 0.5 * 1.6))


def test_nuclei_lie_where_the_atlas_has_them():
    uptake = Uptake(np.array([5.0, 3.0]), np.array([2.0, 1.0]), np.zeros(2), 0.5, 60)  # left, right
    image = striatum(uptake, NO_POSE, np.zeros((3, 2, 5)))
    at = lambda x, y: image[round(row_of(y)), round(column_of(x))]  # noqa: E731
    assert at(-12, 12) == pytest.approx(5)
    assert at(12, 12) == pytest.approx(3)
    assert at(-25, 2) == pytest.approx(2)
    assert at(25, 2) == pytest.approx(1)
    assert at(0, 5) == 0


def test_area_of_a_nucleus_is_that_of_its_ellipse():
    fraction, along = _inside(CAUDATE, X_MM[None, :], Y_MM[:, None], np.zeros(5))
    assert fraction.sum() * 4 == pytest.approx(np.pi * 9 * 5.5, rel=0.03)  # pi a b, pixels of 4 mm2
    assert along[round(row_of(18)), round(column_of(14))] < 0 < along[round(row_of(6)), round(column_of(10))]


def test_pose_moves_tissue_and_striatum_alike():
    uptake = Uptake(np.full(2, 4.0), np.full(2, 4.0), np.zeros(2), 0.5, 60)
    pose = Pose(np.deg2rad(10), np.array([6.0, -4.0]), np.array([1.05, 0.97]))
    still = striatum(uptake, NO_POSE, np.zeros((3, 2, 5)))
    moved = striatum(uptake, pose, np.zeros((3, 2, 5)))
    warped = pose.warp(still, outside=0)
    assert np.corrcoef(moved.ravel(), warped.ravel())[0, 1] > 0.97
    centre = [(moved * g).sum() / moved.sum() for g in (X_MM[None, :], Y_MM[:, None])]
    before = [(still * g).sum() / still.sum() for g in (X_MM[None, :], Y_MM[:, None])]
    cos, sin = np.cos(pose.rotation), np.sin(pose.rotation)
    expected = np.array([[cos, -sin], [sin, cos]]) @ (pose.scale * before) + pose.shift_mm
    np.testing.assert_allclose(centre, expected, atol=0.3)


def test_template_is_a_head_in_the_grid():
    brain = tissue().outside_mm == 0
    rows, columns = np.flatnonzero(brain.any(1)), np.flatnonzero(brain.any(0))
    assert 65 < Y_MM[rows[0]] < 80
    assert -112 < Y_MM[rows[-1]] < -98
    assert 60 < X_MM[columns[0]] < 78
    assert -78 < X_MM[columns[-1]] < -60


def test_blur_is_gaussian_of_that_width():
    point = np.zeros((109, 91), np.float32)
    point[54, 45] = 1
    profile = spect_imaging.blur(point, 12.0)[54]
    assert (profile > profile.max() / 2).sum() * 2.0 == pytest.approx(12, abs=2)
    assert profile[45 + 3] / profile[45] == pytest.approx(0.5, abs=0.02)  # half at 6 mm


def test_axial_recovery_falls_with_blur():
    recovery = [
        spect_imaging.axial_recovery(spect_imaging.Resolution(fwhm, 0.0), 28.0) for fwhm in (0.1, 9, 20)
    ]
    assert recovery[0] == pytest.approx(1)
    assert recovery[1] > 0.97
    assert 0.75 < recovery[2] < 0.92


def test_noise_is_poisson_before_the_filter():
    imaging = replace(quiet(), counts=(20, 20))
    flat = np.ones((109, 91))
    image = spect_imaging.acquire(
        np.random.default_rng(0), imaging, spect_imaging.Resolution(8, 0.01), 1.0, flat
    )
    assert image.mean() == pytest.approx(20, rel=0.01)
    assert image.var() == pytest.approx(20, rel=0.05)


def test_randomised_covers_sharp_and_smooth_and_balances_classes():
    settings = spect.randomised()
    data = spect.generate(settings, 60, seed=0)
    assert np.bincount(data.y).tolist() == [30, 30]
    assert data.sites is None
    roughness = np.abs(np.diff(data.x[..., 0], axis=2)).mean((1, 2)) / data.x.mean((1, 2, 3))
    assert np.percentile(roughness, 80) > 2 * np.percentile(roughness, 20)
    assert spect.randomised(("normal", "early", "middle", "late")).classes[3] == "late"
    with pytest.raises(ValueError, match="old"):
        spect.randomised(("normal", "old"))


def test_randomised_covers_every_resolution_evenly():
    """What scanner, reconstruction and later smoothing come to together: no gap between sharp and smooth."""
    rng, imaging = np.random.default_rng(0), spect_imaging.RANDOMISED
    drawn = [
        spect_imaging.draw_resolution(rng, imaging, spect_imaging.draw_site(rng, imaging))
        for _ in range(3000)
    ]
    total_mm = np.array([np.hypot(one.before_mm, one.after_mm) for one in drawn])
    assert total_mm.max() > 24
    assert np.histogram(total_mm, [5, 10, 15, 20, 25])[0].min() > 300


def test_smooth_share_smooths_all():
    sharp = spect.generate(spect.study(), 10, seed=4).x
    smooth = spect.generate(spect.study(smooth_share=1.0), 10, seed=4).x
    assert (
        smooth.max((1, 2, 3)) / smooth.mean((1, 2, 3)) < sharp.max((1, 2, 3)) / sharp.mean((1, 2, 3))
    ).all()


def test_total_counts_do_not_give_the_stage_away():
    data = spect.generate(spect.study(), 600, seed=9)
    total = np.log(data.x.sum((1, 2, 3)))
    eta_squared = sum(
        (data.y == c).mean() * (total[data.y == c].mean() - total.mean()) ** 2 for c in range(3)
    )
    assert eta_squared / total.var() < 0.03


def test_tensorflow_is_not_needed():
    modules = "generators.spect", "preprocess.spect_slices", "preprocess.spect"
    code = "; ".join(f"import bench.data.{module}" for module in modules)
    code += "; import sys; assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
