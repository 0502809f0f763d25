"""A network is trained on generated images alone, saved, and applied to files of every kind."""

import csv
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from bench import tasks
from bench.commands.main import EXIT_INTERRUPTED, EXIT_USER, main
from bench.data.generators import spect
from bench.data.generators.mri import Recipe, scan_subject
from bench.deploy import saved_network
from bench.deploy.predict import probabilities
from bench.errors import UserError
from tests.perf import phantom

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of networks that were trained for an epoch each."""
    root = tmp_path_factory.mktemp("pretrained")
    words = ["pretrain", "spect", "--samples", "40", "--epochs", "1", "--runs", str(root / "runs")]
    assert main(words) == 0
    return root / "runs" / "models" / "spect-vgg16-pretrained"


def edit(folder, **changes):
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, **changes}))


def write_images(folder):
    """The same generated image as PNG, as `.npy` and as a volume of equal slices; returns the image."""
    folder.mkdir(parents=True)
    image = spect.generate(spect.randomised(), 1, seed=5).x[0, ..., 0]
    grey = np.round(image / image.max() * 255).astype(np.uint8)
    Image.fromarray(grey).save(folder / "b.png")
    np.save(folder / "a.npy", grey)
    volume = np.repeat(grey[::-1, ::-1].T[:, :, None], 91, axis=2).astype(np.int16)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -90, -126, -72
    (folder / "deeper").mkdir()
    nibabel.save(nibabel.Nifti1Image(volume, affine), folder / "deeper" / "c.nii.gz")
    return grey


def test_a_saved_network_says_what_it_is(model):
    facts = json.loads((model / "model.json").read_text())
    assert facts["classes"] == ["normal", "patient"]
    assert facts["task"] == "spect"
    assert facts["preprocessing"]["crop"] is True
    assert facts["preprocessing"]["normalisation"] == "brain"
    assert [len(history) for history in facts["history"]] == [1] * 4
    assert 0.05 < facts["temperature"] < 20
    names = ["model-2.keras", "model-3.keras", "model-4.keras", "model.json", "model.keras"]
    assert sorted(path.name for path in model.iterdir()) == names


def test_pretraining_goes_on_where_it_was(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tuning.training.CHECKPOINT_SECONDS", 0.0)
    words = ["pretrain", "spect", "--samples", "40", "--epochs", "8"]
    assert main([*words, "--runs", str(tmp_path / "whole")]) == 0
    capsys.readouterr()

    def interrupted(text):
        if text.startswith("network 3 of 4, epoch 1"):
            raise KeyboardInterrupt

    monkeypatch.setattr("bench.deploy.pretrain.print", interrupted, raising=False)
    assert main([*words, "--runs", str(tmp_path / "parts")]) == EXIT_INTERRUPTED
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.delattr("bench.deploy.pretrain.print")
    assert main([*words, "--runs", str(tmp_path / "parts")]) == 0
    epochs = [line for line in capsys.readouterr().out.splitlines() if line.startswith("network")]
    asked = [(3, 2), (4, 1), (4, 2)]
    assert [line[:26] for line in epochs] == [f"network {n} of 4, epoch {e} of" for n, e in asked]
    whole, parts = (
        saved_network.load(tmp_path / name / "models" / "spect-vgg16-pretrained", tasks.load("spect"))
        for name in ("whole", "parts")
    )
    for one, other in zip(whole.models, parts.models, strict=True):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not list((tmp_path / "parts" / "cache").glob("spect-pretrain-*"))


OWN_LAYERS = """
import keras

class Scale(keras.layers.Layer):
    def call(self, x):
        return 2 * x

class Own:
    name, title, input = "own", "Own", "image"
    def build(self, hp, shape, n_classes):
        inputs = keras.Input(shape)
        return keras.Model(inputs, keras.layers.Dense(n_classes)(keras.layers.Flatten()(Scale()(inputs))))

architecture = Own()
"""


def test_a_network_with_layers_of_its_own_is_opened_by_whoever_names_its_file(tmp_path, capsys):
    (tmp_path / "own.py").write_text(OWN_LAYERS)
    words = ["pretrain", "spect", "--samples", "40", "--epochs", "4", "--runs", str(tmp_path / "runs")]
    assert main([*words, "--arch", str(tmp_path / "own.py"), "--output", str(tmp_path / "net")]) == 0
    assert f"--arch {tmp_path / 'own.py'}" in capsys.readouterr().out
    write_images(tmp_path / "images")
    (tmp_path / "moved").mkdir()
    (tmp_path / "own.py").rename(tmp_path / "moved" / "own.py")
    words = [sys.executable, "-m", "bench", "predict", "spect", "--model", "net", "--input", "images"]
    environment = {**os.environ, "PYTHONPATH": str(Path(tasks.__file__).parents[2])}
    run = functools.partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    refused = run(words)
    assert refused.returncode == EXIT_USER
    assert "Could not locate class 'Scale'" in refused.stderr
    assert run([*words, "--arch", "moved/own.py"]).returncode == 0


def test_networks_are_asked_together(model):
    network = saved_network.load(model, tasks.load("spect"))
    x = np.random.default_rng(0).random((3, 50, 50, 1), np.float32)
    each = [np.asarray(one(x)) for one in network.models]
    np.testing.assert_allclose(probabilities(network, x), np.mean(each, axis=0), atol=1e-6)
    assert len(each) == 4
    assert np.abs(np.diff(each, axis=0)).max(axis=(1, 2)).min() > 1e-4  # first weights of their own


@pytest.mark.parametrize(
    ("asked", "found"),
    [([], {"normalisation": "brain"}), (["zscore"], {}), (["percentile"], {"normalisation": "percentile"})],
)
def test_what_preprocessing_is_asked_for_replaces_what_pretrain_has_by_itself(
    monkeypatch, tmp_path, asked, found
):
    called = {}
    monkeypatch.setattr("bench.commands.pretrain.pretrain", lambda *_, **named: called.update(named))
    words = [word for value in asked for word in ("--preprocess", f"normalisation={value}")]
    assert main(["pretrain", "spect", "--runs", str(tmp_path / "runs"), *words]) == 0
    assert called["preprocessing"] == found


def test_transfer_to_the_second_recipe_is_measured_at_each_blur(model, tmp_path, monkeypatch):
    monkeypatch.setenv("SCANBENCH_MODEL", str(model))
    *_, table = phantom.measure(tmp_path, 8)
    assert table["extra blur mm"].tolist() == ["0", "7.5", "15", "24"]
    numbers = table.astype(float)
    fixed = numbers["balanced accuracy at 0.5"]
    np.testing.assert_allclose(fixed, (numbers["sensitivity"] + numbers["specificity"]) / 2, atol=1e-3)
    assert (fixed <= numbers["at the best threshold"]).all()


def test_it_is_applied_to_files_of_every_kind(model, tmp_path):
    write_images(tmp_path / "images")
    output = tmp_path / "new" / "out.csv"
    words = ["predict", "spect", "--model", str(model), "--input", str(tmp_path / "images")]
    assert main([*words, "--output", str(output)]) == 0
    with open(output, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"].rsplit("/", 1)[1] for row in rows] == ["a.npy", "b.png", "c.nii.gz"]
    probabilities = np.array([[float(row["normal"]), float(row["patient"])] for row in rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=2e-6)
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-5)
    np.testing.assert_allclose(probabilities[0], probabilities[2], atol=0.05)  # resampled to the grid
    assert output.with_suffix(".png").exists()
    for row, pair in zip(rows, probabilities, strict=True):
        assert row["class"] == ("normal", "patient")[pair.argmax()]


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda folder: (folder / "model.json").unlink(), "found no saved network"),
        (
            lambda folder: (folder / "model.keras").write_bytes(b"PK"),
            "found a network that cannot be opened",
        ),
        (lambda folder: (folder / "model.json").write_text('{"task": "mri"}'), "a network for mri"),
        (lambda folder: (folder / "model.json").write_text('{"task": "spect"}'), "found no architecture"),
        (lambda folder: edit(folder, preprocessing={}), "expected choices of crop, normalisation"),
        (lambda folder: edit(folder, preprocessing={"crop": False, "normalisation": "zscore"}), "109x91x1"),
        (lambda folder: edit(folder, temperature=0.0), "found temperature 0.0; expected a number above 0"),
    ],
)
def test_a_damaged_network_is_one_line(model, tmp_path, capsys, damage, names):
    shutil.copytree(model, tmp_path / "model")
    damage(tmp_path / "model")
    write_images(tmp_path / "images")
    words = ["predict", "spect", "--model", str(tmp_path / "model"), "--input", str(tmp_path / "images")]
    assert main([*words, "--output", str(tmp_path / "out.csv")]) == EXIT_USER
    said = capsys.readouterr().err
    assert names in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_what_cannot_be_made_or_read_is_one_line(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    for words, names in (
        (["pretrain", "digits"], "found a task without generated images"),
        (["pretrain", "mri", "--classes", "normal,patient"], "expected normal,tumour"),
        (["pretrain", "spect", "--classes", "normal,patient,normal"], "found a class twice"),
        (["pretrain", "spect", "--arch", "cnn_3d"], "found a network for samples of the kind volume"),
        (["pretrain", "spect", "--runs", str(tmp_path / "file")], "RUNS="),
        (
            ["pretrain", "spect", "--runs", str(tmp_path / "r"), "--output", str(tmp_path / "file")],
            "found a file",
        ),
        (["predict", "spect", "--model", str(model), "--input", str(tmp_path / "none")], "no such file"),
        (["predict", "spect", "--model", str(model), "--input", str(tmp_path)], "found no image"),
    ):
        assert main([*words]) == EXIT_USER
        said = capsys.readouterr().err
        assert names in said
        assert said.count("\n") == 1


def test_volumes_are_predicted_too(tmp_path):
    words = ["pretrain", "mri", "--arch", "early_fusion", "--samples", "40", "--epochs", "1"]
    model = tmp_path / "model"
    words += ["--preprocess", "shape=6x32x32,normalisation=white", "--runs", str(tmp_path / "runs")]
    assert main([*words, "--output", str(model)]) == 0
    assert json.loads((model / "model.json").read_text())["preprocessing"]["shape"] == [6, 32, 32]
    scan = scan_subject(Recipe(seed=3), 0).volume  # as displayed; a file runs towards right, front and top
    (tmp_path / "volumes").mkdir()
    volume = np.ascontiguousarray(scan[:, ::-1, ::-1].transpose(2, 1, 0))
    spacing = [216.0 / volume.shape[0], 216.0 / volume.shape[1], 160.0 / volume.shape[2], 1.0]
    nibabel.save(nibabel.Nifti1Image(volume, np.diag(spacing)), tmp_path / "volumes" / "a.nii.gz")
    np.save(tmp_path / "volumes" / "b.npy", scan)
    output = tmp_path / "out.csv"
    words = ["predict", "mri", "--model", str(model), "--input", str(tmp_path / "volumes")]
    assert main([*words, "--output", str(output)]) == 0
    with open(output, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"].rsplit("/", 1)[1] for row in rows] == ["a.nii.gz", "b.npy"]
    for row in rows:
        assert float(row["normal"]) + float(row["tumour"]) == pytest.approx(1, abs=2e-6)


def test_digits_are_read_as_their_data_are(tmp_path):
    from bench.tasks.digits import task

    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", grey / np.float32(127.5) - 1)
    found = task.read([tmp_path / "a.png", tmp_path / "b.npy"])
    assert found.shape == (2, 16, 16, 1)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "black.png")
    np.save(tmp_path / "black.npy", np.zeros((16, 16), np.int64))
    np.save(tmp_path / "binary.npy", np.where(grey > 99, 1.0, -1.0))
    black, whole, binary = task.read([tmp_path / name for name in ("black.png", "black.npy", "binary.npy")])
    assert (black == -1).all()
    assert (whole == -1).all()
    assert set(binary.ravel()) == {-1, 1}
    dark = np.zeros((16, 16, 3), np.uint8)
    dark[3, 3, 2] = 5  # less than one of 255, in grey
    Image.fromarray(dark).save(tmp_path / "dark.png")
    (colour,) = task.read([tmp_path / "dark.png"])
    assert colour[0, 0] == -1
    Image.fromarray(grey.astype(np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match="found 0 to 255 in 16 bits; expected 8 bits"):
        task.read([tmp_path / "deep.png"])
    np.save(tmp_path / "c.npy", grey[:8])
    with pytest.raises(UserError, match="found an image of 8x16"):
        task.read([tmp_path / "c.npy"])
