"""Scans unlike the known ones are named, with what is unlike; those like them are left in peace."""

from dataclasses import replace

import keras
import nibabel
import numpy as np
import pytest

from bench.data.formats import read
from bench.deploy import familiarity
from bench.deploy.saved_network import Network, calibrated
from bench.errors import UserError


@pytest.fixture(scope="module")
def network():
    """A network whose features are the mean of the sample and that of its left half."""
    inputs = keras.Input((4, 4, 1))
    body = keras.layers.Dense(2, use_bias=False, name="body")
    output = keras.layers.Dense(2, name="head")(body(keras.layers.Flatten()(inputs)))
    network = keras.Model(inputs, output)
    kernel = np.full((4, 4, 2), 1 / 16)
    kernel[:, 2:, 1] = 0
    body.set_weights([kernel.reshape(16, 2)])
    return Network("made", (calibrated(network, 1.0),), {"classes": ["a", "b"]})


def samples(n, seed, mean=10.0):
    return (mean + np.random.default_rng(seed).normal(size=(n, 4, 4, 1))).astype(np.float32)


def known_of(network, headers=()):
    x = samples(300, 0)
    return familiarity.learn(network, x, x, np.arange(200), np.arange(200, 300), headers)


def warned(network, known, x, paths=()):
    headers = [read(path).facts for path in paths] or [{}] * len(x)
    found = familiarity.warnings(known, familiarity.features_of(network, x), x, headers)
    return [" ".join(said) for said in found]


def test_features_are_what_the_head_is_fed(network):
    x = samples(40, 3)
    found = familiarity.features_of(network, x)
    np.testing.assert_allclose(found[:, 0], x.mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], x[:, :, :2].sum(axis=(1, 2, 3)) / 16, rtol=1e-5)


def test_scans_of_the_same_kind_are_rarely_called_unlike(network):
    said = warned(network, known_of(network), samples(1000, 4))
    assert sum(map(bool, said)) <= 60  # 1% are expected, and the limit itself is an estimate from 100


def test_distance_and_grey_values_are_told_apart(network):
    known = known_of(network)
    other = samples(1, 5)
    other[:, :, :2] += 3  # elsewhere in the features, within the grey values
    other[:, :, 2:] -= 3
    brighter = samples(1, 6, mean=60)
    said = warned(network, known, np.concatenate([other, brighter]))
    assert "unlike the training data: distance" in said[0]
    assert "grey values" not in said[0]
    assert "grey values 5" in said[1]


def test_the_limit_is_an_order_statistic():
    assert familiarity.threshold_of(np.arange(1000.0)) == 990.0
    assert familiarity.threshold_of(np.array([3.0, 1.0, 2.0])) == 3.0


def test_a_voxel_size_that_was_never_seen_is_named(network, tmp_path):
    paths = []
    for name, size in (("same", 2.0), ("other", 3.5)):
        paths.append(tmp_path / f"{name}.nii.gz")
        nibabel.save(
            nibabel.Nifti1Image(np.ones((4, 4, 4), np.int16), np.diag([size, size, 2.0, 1])), paths[-1]
        )
    np.save(tmp_path / "bare.npy", np.ones((4, 4)))
    known = known_of(network, [read(paths[0]).facts] * 300)
    said = warned(network, known, samples(3, 7), [*paths, tmp_path / "bare.npy"])
    assert "voxel size" not in said[0]
    assert "voxel size 2 x 3.5 x 3.5 mm, known 2 x 2 x 2 mm" in said[1]
    assert "voxel size not in the file" in said[2]


def test_it_is_kept_in_a_file_and_a_damaged_one_is_one_line(network, tmp_path):
    known = known_of(network)
    familiarity.save(known, tmp_path)
    again = familiarity.load(tmp_path, network)
    assert again is not None
    np.testing.assert_array_equal(again.limits, known.limits)
    np.testing.assert_array_equal(again.features, known.features)
    familiarity.save(replace(known, features=known.features[:, :1]), tmp_path)
    with pytest.raises(UserError, match=r"known.npz: found features of another network; expected 2 a sample"):
        familiarity.load(tmp_path, network)
    (tmp_path / familiarity.FILE).write_bytes(b"PK")
    with pytest.raises(UserError, match=r"known.npz: found a damaged file"):
        familiarity.load(tmp_path, network)
    assert familiarity.load(tmp_path / "none", network) is None
