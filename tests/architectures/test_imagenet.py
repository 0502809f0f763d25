"""ImageNet weights: files in the format of `keras.applications`, features equal to its own.

The reference networks are `keras.applications`' with random weights, written as its files are laid out.
"""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import architectures
from architectures._imagenet_files import FILES, find
from architectures.layers import imagenet
from tuning.program import Program

KINDS = {"vgg16": keras.applications.VGG16, "resnet50": keras.applications.ResNet50}
USES = {
    "vgg16": "vgg16",
    "single_slice": "vgg16",
    "early_fusion": "vgg16",
    "late_fusion": "vgg16",
    "resnet": "resnet50",
    "resnet50_3d": "resnet50",
}
SIDE = 36
MEAN_RGB = np.array([123.68, 116.779, 103.939], np.float32)  # keras.applications, mode "caffe"


def randomise(model: keras.Model) -> None:
    """Give all weights values that matter: biases and statistics too, activations of about one size."""
    rng = np.random.default_rng(11)
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            if len(weight.shape) == 4:
                scale = np.sqrt(2 / np.prod(weight.shape[:3]))
                values.append(scale * rng.standard_normal(weight.shape))
            elif weight.name in ("moving_variance", "gamma"):
                values.append(rng.uniform(0.5, 1.5, weight.shape))
            else:
                values.append(0.1 * rng.standard_normal(weight.shape))
        layer.set_weights([value.astype(np.float32) for value in values])


def save(model: keras.Model, path: Path) -> None:
    """Write weights as Keras 2 did: a group for each layer names its arrays in order."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = np.array(names, "S")
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Return a function that gives a reference network and the folder of its weights file."""
    made: dict = {}

    def make(kind: str):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            model = KINDS[kind](weights=None, include_top=False, pooling="avg", input_shape=(SIDE, SIDE, 3))
            randomise(model)
            save(model, folder / FILES[kind])
            made[kind] = model, folder
        return made[kind]

    return make


@pytest.fixture(scope="module")
def original(reference, build_model):
    """Return a function that builds an architecture in the original's form and loads the weights."""

    def make(name: str, shape):
        found = architectures.load(name)
        model = build_model(name, found.imagenet_values, shape)
        found.imagenet(model, reference(USES[name])[1])
        return model

    return make


def features(model: keras.Model, layer: str, x: np.ndarray) -> np.ndarray:
    return keras.Model(model.inputs, model.get_layer(layer).output)(x).numpy()


def expected(reference, name: str, x: np.ndarray) -> np.ndarray:
    """Features `[n, features]` of `keras.applications` for z-scores `[n, height, width, 1 or 3]`."""
    kind = USES[name]
    images = MEAN_RGB + np.float32(imagenet.DEVIATION) * x
    module = {"vgg16": keras.applications.vgg16, "resnet50": keras.applications.resnet50}[kind]
    return reference(kind)[0](module.preprocess_input(images)).numpy()


def assert_equal(found: np.ndarray, wanted: np.ndarray) -> None:
    assert wanted.std() > 0
    np.testing.assert_allclose(found / np.abs(wanted).max(), wanted / np.abs(wanted).max(), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "resnet"])
def test_image_features_are_those_of_keras_applications(name, original, reference, samples):
    x = samples((SIDE, SIDE, 1), 2)
    model = original(name, (SIDE, SIDE, 1))
    assert_equal(features(model, "features", x), expected(reference, name, x))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "resnet"])
def test_colours_are_seen_as_keras_applications_sees_them(name, original, reference, samples):
    x = samples((SIDE, SIDE, 3), 2)
    found = features(original(name, (SIDE, SIDE, 3)), "features", x)
    assert_equal(found, expected(reference, name, x))
    assert not np.allclose(
        found, features(original(name, (SIDE, SIDE, 3)), "features", x[..., ::-1]), atol=1e-3
    )


@pytest.mark.slow
def test_late_fusion_makes_of_each_slice_what_keras_applications_does(original, reference, samples):
    x = samples((4, SIDE, SIDE, 1), 2)
    found = features(original("late_fusion", x.shape[1:]), "unfold", x)
    wanted = expected(reference, "late_fusion", x.reshape(8, SIDE, SIDE, 1)).reshape(2, 4, -1)
    assert_equal(found, wanted)


@pytest.mark.slow
def test_single_slice_makes_of_the_middle_what_keras_applications_does(reference, build_model, samples):
    x = samples((4, SIDE, SIDE, 1), 2)
    found = architectures.load("single_slice")
    model = build_model("single_slice", {**found.imagenet_values, "slice": "middle"}, x.shape[1:])
    found.imagenet(model, reference("vgg16")[1])
    assert_equal(features(model, "features", x), expected(reference, "single_slice", x[:, 2]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["early_fusion", "resnet50_3d"])
def test_equal_slices_give_the_features_of_one(name, original, reference, samples):
    image = samples((SIDE, SIDE, 1), 2)
    volumes = np.repeat(image[:, None], 4, axis=1)
    found = features(original(name, volumes.shape[1:]), "features", volumes)
    assert_equal(found, expected(reference, name, image))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg16", "resnet"])
def test_full_size_trains_a_step(name, original, samples):
    shape = (SIDE, SIDE, 1)
    model = original(name, shape)
    program = Program(lambda: model, shape)
    before = features(model, "features", samples(shape))
    program.reset(1, {"learning_rate": 1e-4}, 4)
    loss, _ = program.run(samples(shape), np.arange(3), np.ones(3, np.float32), 3)
    assert np.isfinite(loss)
    assert not np.array_equal(features(model, "features", samples(shape)), before)


@pytest.mark.slow
def test_fewer_blocks_of_the_original_width_take_the_first_weights(reference, build_model):
    found = architectures.load("vgg16")
    model = build_model("vgg16", {**found.imagenet_values, "blocks": 2})
    found.imagenet(model, reference("vgg16")[1])
    kernel = reference("vgg16")[0].get_layer("block2_conv2").get_weights()[0]
    np.testing.assert_array_equal(model.get_layer("block2_conv2").get_weights()[0], kernel)


@pytest.fixture
def small_file(tmp_path):
    """A weights file of one layer of VGG16's shape."""
    with h5py.File(tmp_path / FILES["vgg16"], "w") as file:
        group = file.create_group("block1_conv1")
        group["kernel"], group["bias"] = np.zeros((3, 3, 3, 64)), np.zeros(64)
        group.attrs["weight_names"] = ["kernel", "bias"]
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
    return tmp_path


def test_a_slim_network_is_refused_and_left_as_it_was(small_file, build_model):
    found = architectures.load("vgg16")
    model = build_model("vgg16", {"normalisation": "none"})
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"vgg16: layer block1_conv1 .* original width"):
        found.imagenet(model, small_file)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_network_with_layers_that_the_file_lacks_is_refused(small_file, build_model):
    model = build_model("vgg16", {"width": 1.0, "blocks": 1, "normalisation": "none"})
    with pytest.raises(ValueError, match="no layer block1_conv2"):
        imagenet.load(model, "vgg16", small_file)


def test_a_missing_file_is_named_with_the_places_searched(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=f"resnet50_weights.*notop.h5.*{tmp_path}") as error:
        find("resnet50", tmp_path)
    assert str(tmp_path / "cache" / "models") in str(error.value)
    assert "\n" not in str(error.value)


def test_the_cache_of_keras_is_searched(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / FILES["vgg16"]
    path.touch()
    assert find("vgg16") == path


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all"])
def test_a_damaged_file_is_named(content, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights.h5: not a weights file"):
        imagenet.read(path)
