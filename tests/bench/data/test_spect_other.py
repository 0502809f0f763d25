"""The second recipe for generated DaT SPECT images: of the first it has the form, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from bench import tasks
from bench.data.caches.cached_dataset import open_cached
from bench.data.generators import spect, spect_other
from bench.data.generators.spect_other import OtherImaging, binding
from bench.data.preprocess.spect_binding_ratios import binding_ratios
from bench.errors import UserError


def cohort(imaging=None, n=12, classes=("normal", "late"), severity=((0, 0), (3, 3)), **changes):
    settings = replace(spect.study(recipe=2), classes=classes, severity=severity, block=(0, 1), **changes)
    return spect.generate(replace(settings, imaging=imaging or settings.imaging), n, seed=3)


@pytest.fixture(scope="module")
def subjects():
    """Normal and late subjects, and the same with 20 mm of later smoothing."""
    smoothed = OtherImaging(smooth_probability=1.0, smooth_fwhm_mm=(20, 20))
    return cohort(OtherImaging(smooth_probability=1.0, smooth_fwhm_mm=(0, 0))), cohort(smoothed)


def test_form_and_classes_are_those_of_the_first(subjects):
    sharp, _ = subjects
    assert sharp.x.shape == (12, 109, 91, 1)
    assert sharp.x.dtype == np.float32
    assert np.isfinite(sharp.x).all()
    assert sharp.x.min() >= 0
    ratios = binding_ratios(sharp.x)
    assert ratios[sharp.y == 0].mean() > 2 * ratios[sharp.y == 1].mean()
    assert "second recipe" in sharp.provenance
    assert "log-normal" in sharp.provenance


def test_later_smoothing_reaches_all_directions(subjects):
    """What a blur in the plane alone leaves of the striatum's contrast is lowered by the slices above and below."""
    sharp, smooth = subjects
    normal = sharp.y == 0
    assert (binding_ratios(smooth.x)[normal].mean(1) < 0.75 * binding_ratios(sharp.x)[normal].mean(1)).all()
    brain, above = spect_other._slab(8, 0), spect_other._slab(25, 0)
    assert np.ptp(spect_other.Z_MM[brain > 0.01]) < np.ptp(spect_other.Z_MM[above > 0.01])
    assert brain.sum() == pytest.approx(1)


def test_loss_is_a_wave_from_the_back():
    rng = np.random.default_rng(0)
    early = np.array([np.sort(binding(rng, 1.0), axis=0) for _ in range(300)]).mean(0)  # worse side first
    normal = np.array([binding(rng, 0.0) for _ in range(300)]).mean((0, 1))
    left = early / normal
    assert (np.diff(left, axis=1) > 0).all()  # posterior to anterior putamen to caudate
    assert (left[0] < left[1]).all()
    np.testing.assert_allclose(
        normal, [spect_other.HEALTHY_PUTAMEN] * 3 + [spect_other.HEALTHY_CAUDATE], rtol=0.08
    )


def test_striata_are_where_the_atlas_has_them():
    maps = spect_other._maps().swapaxes(0, 1)  # [part, height, row, column]
    assert maps.shape == (13, len(spect_other.Z_MM), 109, 91)
    volume_cm3 = maps[5:].sum((1, 2, 3)) * 8 / 1000
    np.testing.assert_allclose(
        volume_cm3[:4].sum(), 10, atol=2.5
    )  # a caudate of 4, a putamen of 5, a little more
    np.testing.assert_allclose(volume_cm3[:4], volume_cm3[4:], rtol=0.1)
    columns = np.tensordot(maps[5:], np.arange(91), axes=(3, 0)).sum((1, 2)) / maps[5:].sum((1, 2, 3))
    assert (columns[:4] < 45).all()  # the right side of the head
    assert (columns[4:] > 45).all()


def test_noise_is_multiplicative_and_scaling_is_cut_off_below():
    loud, silent = (
        replace(OtherImaging(), noise=(level, level), eight_bit_probability=0) for level in (0.4, 1e-6)
    )
    differences = cohort(loud).x - cohort(silent).x
    brain, air = np.abs(differences[:, 54, 45]).mean(), np.abs(differences[:, :3]).mean()
    assert air < 0.1 * brain
    bits = cohort(replace(OtherImaging(), eight_bit_probability=1.0)).x
    assert (bits == np.round(bits)).all()
    assert bits.max() <= 255
    assert (bits[:, :3] == 0).mean() > 0.5 > (cohort(loud).x[:, :3] == 0).mean()


def test_the_recipes_share_no_random_stream(monkeypatch):
    seen = []
    original = spect.stream
    monkeypatch.setattr(spect, "stream", lambda *key: seen.append(key) or original(*key))
    spect.image(spect.study(), 0, 5, 2)
    first = set(seen)
    spect.image(spect.study(recipe=2), 0, 5, 2)
    assert not first & set(seen[len(first) :])


def test_it_is_asked_for_by_name(tmp_path):
    task = tasks.load("spect")
    folder = task.load("builtin:subjects=20,normal=1,recipe=2,test=4", tmp_path, tmp_path)
    stored = open_cached(folder)
    assert "second recipe" in stored.provenance
    assert stored.classes == ("normal", "early", "middle", "late")
    with pytest.raises(UserError, match="recipe=3: found no such recipe; expected 1 or 2"):
        task.load("builtin:recipe=3", tmp_path, tmp_path)
