"""A run folder's networks, found, calibrated, applied and exported; the run is made, nothing is trained."""

import csv
import errno
import json
import os
import shutil
from dataclasses import replace

import keras
import keras_tuner
import numpy as np
import pytest
from made_sweeps import Sweep
from PIL import Image
from pydicom.data import get_testdata_file
from scipy.special import softmax

import architectures
from bench.commands.main import EXIT_USER, main
from bench.data.caches.cached_dataset import save_dataset
from bench.data.dataset import Dataset
from bench.data.folders.resampled_folder import READING_VERSION
from bench.data.sources.download import sha256_of
from bench.data.splits import divide
from bench.deploy import explain, model_card, predict, run_network, saved_network, sheets
from bench.deploy.calibration import fit_temperature, log_loss, scaled
from bench.deploy.export import export
from bench.deploy.saved_network import Network, calibrated
from bench.errors import UserError
from bench.sweep import run_directory
from bench.tasks.medmnist import task as medmnist
from bench.tasks.spect import task
from bench.worker import arrays

CLASSES = ("normal", "patient")
N = 40


def images(n, seed=0):
    """Made slices: a bright spot whose size is the class."""
    random = np.random.default_rng(seed)
    x = np.abs(random.normal(size=(n, 109, 91, 1))).astype(np.float32)
    for index in range(n):
        x[index, 45:55, 30 : 40 + 10 * (index % 2)] += 20
    return x


class SpectSweep(Sweep):
    """A sweep of the `spect` task whose refits have networks and whose trials have predictions."""

    def sweep(self, names=None):
        event = super().sweep(names)
        event["identity"]["preprocessing"] = task.preprocessing
        event["identity"]["code"] = {"prepare": task.digest()}
        event["dataset"].update(folder="../cache/made", reading_version=READING_VERSION)
        return event

    def trial(self, name, fold, trial):
        y, subjects = np.arange(30) % 2, np.array([f"v{i}" for i in range(30)])
        sure = np.where(np.arange(30) % 5, y, 1 - y)  # right in four of five, and too sure
        probabilities = np.where(np.arange(2) == sure[:, None], 0.99, 0.01)
        path = self.folder / "predictions" / f"trial-{name}-{fold}-{trial}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, y=y, probabilities=probabilities, subjects=subjects, indices=np.arange(30))
        files = {"predictions": {"path": f"predictions/{path.name}", "sha256": "0", "bytes": 1}}
        return {**super().trial(name, fold, trial), "files": files}

    def refit(self, folder, key, share, fold, seed):
        result = super().refit(folder, key, share, fold, seed)
        if seed:
            architecture = architectures.load(key.split("/")[1])
            keras.utils.set_random_seed(seed)
            model = architecture.build(keras_tuner.HyperParameters(), (50, 50, 1), 2)
            result["files"]["predictions"] = self.tested(folder / "predictions", key, model, share > 0.9)
            path = folder / "models" / f"{key.replace('/', '-')}.keras"
            path.parent.mkdir(parents=True, exist_ok=True)
            model.save(path)
            result["files"]["model"] = {"path": f"models/{path.name}", "sha256": sha256_of(path), "bytes": 1}
        return result

    def tested(self, folder, key, model, is_good):
        """Give the network a head that is right as a rule, or wrong, and keep what it says of test samples."""
        data = self.dataset()
        test = divide(data, 1, {"seed": 0})[0].test
        x, y, head = task.prepare(data.x, task.preprocessing), data.y, model.layers[-1]
        features = np.asarray(keras.Model(model.input, head.input)(x))
        axis = features[y == int(is_good)].mean(axis=0) - features[y != int(is_good)].mean(axis=0)
        along = features @ axis
        kernel = np.stack([-axis, axis], axis=1) / along.std()
        head.set_weights([kernel, np.array([1, -1]) * along.mean() / along.std()])
        path = folder / f"{key.replace('/', '-')}.npz"
        said = softmax(np.asarray(model(x[test])), axis=1)
        np.savez(path, y=y[test], probabilities=said, subjects=data.subjects[test], indices=test)
        return {"path": f"predictions/{path.name}", "sha256": "0", "bytes": 1}

    def dataset(self):
        return Dataset(
            name="made",
            x=images(N),
            y=np.arange(N) % 2,
            subjects=np.array([f"patient-{i}" for i in range(N)]),
            classes=CLASSES,
            fingerprint=self.fingerprint,
            provenance=self.provenance,
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """RUNS with one sweep of two networks, two seeds each; `cnn` is the better one."""
    root = tmp_path_factory.mktemp("runs")
    sweep = SpectSweep(
        networks={"cnn": 0.95, "vgg16": 0.7}, classes=CLASSES, task="spect", trials=2, stand_in=True
    )
    sweep.folder = root / "spect-made"
    sweep.write(sweep.folder)
    save_dataset(sweep.dataset(), root / "cache" / "made")
    return root


@pytest.fixture
def scans(tmp_path):
    """Three scans: two like the known ones, one without contrast."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for index, image in enumerate(images(2, seed=9)):
        np.save(folder / f"{index}.npy", image[..., 0])
    Image.fromarray(np.tile(np.arange(91, dtype=np.uint8), (109, 1))).save(folder / "ramp.png")
    return folder


def predicted(words, output, errors=None):
    assert main(["predict", "spect", *words, "--output", str(output)]) == 0
    with open(output, newline="", errors=errors) as file:
        return list(csv.DictReader(file))


def test_the_best_network_of_the_report_is_taken_and_its_first_seed(runs):
    chosen = run_network.choose(runs / "spect-made", None)
    assert chosen.assessment.name == "cnn"
    assert [path.stem.rsplit("-", 1)[1] for path in chosen.files] == ["1"]
    for model, seeds in (("ensemble", 2), ("vgg16-ensemble", 2), ("vgg16", 1)):
        assert len(run_network.choose(runs / "spect-made", model).files) == seeds
    assert run_network.choose(runs / "spect-made", "vgg16").assessment.name == "vgg16"


def test_an_earlier_run_folder_may_be_named(runs, scans, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    later = tmp_path / "runs" / "spect-later"
    later.mkdir()
    sweep = run_directory.load_state(runs / "spect-made").sweep
    (later / "journal.jsonl").write_text(json.dumps({**sweep, "time": sweep["time"] + 1e6}) + "\n")
    words = ["predict", "spect", "--input", str(scans / "0.npy"), "--output", str(tmp_path / "o.csv")]
    assert main([*words, "--runs", str(tmp_path / "runs")]) == EXIT_USER
    assert main([*words, "--runs", str(tmp_path / "runs" / "spect-made")]) == 0


def test_an_ensemble_has_the_seeds_that_are_asked_for(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    runs = tmp_path / "runs"
    state = run_directory.load_state(runs / "spect-made")
    assert state.sweep["plan"]["seeds"] == 2
    with (runs / "spect-made" / "journal.jsonl").open("a") as file:
        file.write(json.dumps({**state.sweep, "plan": {**state.sweep["plan"], "seeds": 1}}) + "\n")
    with pytest.raises(UserError, match="found 1 kept networks of cnn"):
        run_network.choose(runs / "spect-made", "cnn-ensemble")


def test_the_temperature_is_the_winning_trial_s_and_what_it_does_is_on_record(runs):
    chosen = run_network.choose(runs / "spect-made", None)
    facts = run_network.open_network(chosen, task).facts
    with np.load(runs / "spect-made" / "predictions" / f"trial-cnn-0-{facts['trial']}.npz") as kept:
        expected = fit_temperature(kept["y"], kept["probabilities"], kept["subjects"])
    assert facts["temperature"] == pytest.approx(expected)
    assert expected > 1.2
    run = chosen.runs[0]
    for state, probabilities in (
        ("before", run.probabilities),
        ("after", scaled(run.probabilities, expected)),
    ):
        found = facts["calibration"]["test"][state]
        assert found == pytest.approx(log_loss(run.y, probabilities).mean())


def test_scans_are_predicted_with_what_is_doubtful_and_a_picture(runs, scans, tmp_path, capsys):
    rows = predicted(["--runs", str(runs), "--input", str(scans)], tmp_path / "out.csv")
    assert [row["file"].rsplit("/", 1)[1] for row in rows] == ["0.npy", "1.npy", "ramp.png"]
    assert list(rows[0]) == ["file", "class", *CLASSES, "warnings"]
    for row in rows:
        assert float(row["normal"]) + float(row["patient"]) == pytest.approx(1, abs=2e-6)
        assert float(row[row["class"]]) >= 0.5
    assert rows[0]["warnings"] == rows[1]["warnings"] == ""
    assert "unlike the training data" in rows[2]["warnings"]
    assert "grey values" in rows[2]["warnings"]
    assert Image.open(tmp_path / "out.png").size[0] > 300
    assert "3 rows by The cnn one, 1 of them with warnings" in capsys.readouterr().out


def test_an_ensemble_is_the_mean_of_its_seeds(runs, scans, tmp_path):
    chosen = run_network.choose(runs / "spect-made", "cnn-ensemble")
    network = run_network.open_network(chosen, task)
    x = task.prepare(task.read([scans / "0.npy"]), task.preprocessing)
    each = [np.asarray(model(x)) for model in network.models]
    rows = predicted(
        ["--runs", str(runs), "--input", str(scans / "0.npy"), "--model", "ensemble"], tmp_path / "o.csv"
    )
    expected = np.mean(each, axis=0)[0]
    np.testing.assert_allclose([float(rows[0][name]) for name in CLASSES], expected, atol=1e-5)
    assert not np.allclose(each[0], each[1], atol=1e-4)


def test_a_file_that_cannot_be_read_costs_no_other(runs, scans, tmp_path):
    (scans / "broken.png").write_bytes(b"\x89PNG")
    output = tmp_path / "out.csv"
    words = ["predict", "spect", "--runs", str(runs), "--input", str(scans), "--output", str(output)]
    assert main(words) == EXIT_USER
    with open(output, newline="") as file:
        rows = {row["file"].rsplit("/", 1)[1]: row for row in csv.DictReader(file)}
    assert rows["broken.png"]["class"] == ""
    assert "not read" in rows["broken.png"]["warnings"]
    assert rows["0.npy"]["class"] in CLASSES
    assert len(rows) == 4


def test_an_output_never_replaces_a_scan(runs, scans, capsys):
    picture = (scans / "ramp.png").read_bytes()
    words = ["predict", "spect", "--runs", str(runs), "--input", str(scans), "--output"]
    (scans / "link.csv").symlink_to(scans / "0.npy")
    for name, found in (("ramp.csv", "ramp.png, which is no picture"), ("link.csv", "one of the images")):
        assert main([*words, str(scans / name)]) == EXIT_USER
        assert found in capsys.readouterr().err
    assert (scans / "ramp.png").read_bytes() == picture
    assert not (scans / "ramp.csv").exists()


def test_an_output_never_replaces_another_table_nor_a_link(runs, scans, tmp_path, capsys):
    words = ["predict", "spect", "--runs", str(runs), "--input", str(scans / "0.npy"), "--output"]
    (tmp_path / "labels.csv").write_text("path,label\n0.npy,HC\n")
    assert main([*words, str(tmp_path / "labels.csv")]) == EXIT_USER
    assert "found a file that is not predict's; expected another name" in capsys.readouterr().err
    (tmp_path / "link.csv").symlink_to(tmp_path / "there.csv")
    for _ in range(2):
        assert main([*words, str(tmp_path / "link.csv")]) == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there.csv").read_text().startswith("file,class,")
    assert main([*words, str(tmp_path / f"{220 * 'n'}.csv")]) == 0
    assert main([*words, str(tmp_path / f"{260 * 'n'}.csv")]) == EXIT_USER


def test_sheets_of_an_earlier_call_are_no_scans_and_make_way(runs, scans, monkeypatch):
    monkeypatch.setattr(sheets, "SCANS", 2)
    words = ["--runs", str(runs), "--input"]
    first = predicted([*words, str(scans)], scans / "o.csv")
    assert {path.name for path in scans.glob("o*")} == {"o.csv", "o-1.png", "o-2.png"}
    Image.fromarray(np.zeros((109, 91), np.uint8)).save(scans / "o-3.png")  # the user's own
    again = predicted([*words, str(scans)], scans / "o.csv")
    assert [row["file"] for row in again] == [
        *(r["file"] for r in first[:2]),
        str(scans / "o-3.png"),
        first[2]["file"],
    ]
    predicted([*words, str(scans / "0.npy")], scans / "o.csv")
    assert {path.name for path in scans.glob("o*")} == {"o.csv", "o.png", "o-3.png"}


def test_what_is_doubtful_of_a_file_is_said(runs, scans, tmp_path, capsysbinary, monkeypatch):
    bad = images(1, seed=9)[0, ..., 0]
    bad[3, 3:5] = np.nan
    np.save(scans / "bad.npy", bad)
    (scans / "scan.tiff").write_bytes(b"II*")
    shutil.copy(scans / "1.npy", os.fsencode(scans) + b"/\xff.npy")
    monkeypatch.chdir(scans)
    np.save("=cmd.npy", bad)
    rows = predicted(["--runs", str(runs), "--input", "."], tmp_path / "out.csv")  # UTF-8, as pandas reads it
    assert "./=cmd.npy" in {row["file"] for row in rows}
    rows = [row for row in rows if "cmd" not in row["file"]]
    assert rows[2]["warnings"].startswith("values that are NaN or infinite, taken for background: 2")
    assert rows[-1]["file"] == "\\udcff.npy"
    assert b"passed over, as no scans or beside DICOM files: 1 (scan.tiff)" in capsysbinary.readouterr().out


def test_a_folder_that_may_not_be_read_is_one_line(runs, scans, monkeypatch, capsys):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "scans/private")

    monkeypatch.setattr("bench.deploy.predict.scans_below", refuse)
    assert main(["predict", "spect", "--runs", str(runs), "--input", str(scans)]) == EXIT_USER
    assert "scans/private: found what cannot be read" in capsys.readouterr().err


def test_code_that_has_changed_since_training_is_in_every_row(runs, scans, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(type(task), "digest", lambda self: "other")
    rows = predicted(["--runs", str(runs), "--input", str(scans)], tmp_path / "out.csv")
    assert all("code for preprocessing has changed" in row["warnings"] for row in rows)
    assert capsys.readouterr().out.count("has changed since training") == 1
    words = ["export", "spect", "--runs", str(runs), "--output", str(tmp_path / "model")]
    assert main(words) == 0  # its answers are those that the run recorded
    assert json.loads((tmp_path / "model" / "model.json").read_text())["preprocessing_code"] == "other"
    monkeypatch.setattr(type(task), "digest", lambda self: "another")
    prepare = type(task).prepare
    monkeypatch.setattr(type(task), "prepare", lambda *given: -prepare(*given))
    arrays.prepared.cache_clear()
    assert main([*words[:-1], str(tmp_path / "another")]) == EXIT_USER
    assert "from those that the run has recorded" in capsys.readouterr().err
    assert not (tmp_path / "another").exists()
    arrays.prepared.cache_clear()


def test_the_readers_that_a_run_was_trained_with_are_the_network_s(runs, monkeypatch):
    chosen = run_network.choose(runs / "spect-made", None)
    assert saved_network.changed_code(run_network.open_network(chosen, task).facts, task) == ""
    monkeypatch.setitem(chosen.content.source.sweep["dataset"], "reading_version", 0)
    found = saved_network.changed_code(run_network.open_network(chosen, task).facts, task)
    assert "reading of files has changed" in found


def test_a_network_that_does_not_say_what_its_run_recorded_is_not_exported(runs, tmp_path):
    chosen = run_network.choose(runs / "spect-made", "vgg16")
    [run] = chosen.runs
    for changed, found in (
        (replace(run, probabilities=run.probabilities[:, ::-1]), "from those that the run has recorded"),
        (replace(run, y=1 - run.y), "predictions of other test cases"),
    ):
        with pytest.raises(UserError, match=found):
            export(task, replace(chosen, runs=[changed]), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def card(chosen, **changes):
    network = run_network.open_network(chosen, task)
    _, dataset, fold, _ = run_network.open_data(chosen, task)
    facts = {**network.facts, "input_shape": [50, 50, 1], "agreement": {}, **changes}
    return model_card.text(task, chosen, facts, dataset, fold)


def test_the_card_says_what_its_numbers_are_of(runs, monkeypatch):
    chosen = run_network.choose(runs / "spect-made", None)
    said = card(chosen)
    temperature = run_network.open_network(chosen, task).facts["temperature"]
    losses = [
        log_loss(r.y, scaled(r.probabilities, temperature)).mean() for r in chosen.assessment.entry.runs
    ]
    assert f"log loss, calibrated | {np.mean(losses):.3f} |" in " ".join(said.split())
    for words in (
        "best of the 2 networks of the report on these very subjects",
        "2 of 2 trials finished, folds: 1, up to 3 epochs each), scored on validation subjects",
        "from random weights. No",
        "as frequent as in the training data (normal 50.0%, patient 50.0%).",
        "than any of the 8 test scans",
    ):
        assert words in said
    assert "best of the" not in card(run_network.choose(runs / "spect-made", "vgg16"))
    assert "multiply each by its share" in card(chosen, values={"balance": "oversample"})
    plan = chosen.assessment.entry.plan
    monkeypatch.setitem(plan, "preset", "smoke")
    monkeypatch.setitem(plan["candidates"][0], "transfer", "phantom-frozen")
    monkeypatch.setitem(chosen.content.source.sweep["identity"]["splits"], "inner", 3)
    chosen.content.rows["status"], chosen.content.rows["progress"] = "unfinished", "1 of 2 seeds"
    for words in (
        "Smoke preset",
        "a training on generated images, of which nothing but the head was trained",
        "all training and validation subjects in turn (3 inner folds)",
        "**Not finished** when this was exported: 1 of 2 seeds",
    ):
        assert words in card(chosen)


def test_the_card_names_a_task_of_the_user_s_own_by_its_file(runs, tmp_path):
    own = task.but(file=tmp_path / "my task.py")
    said = "".join(model_card._how(own, {"input_shape": [1], "agreement": {}}, "vgg16"))
    assert f"scanbench predict '{own.file}' --model" in said
    assert f"tasks.load({str(own.file)!r})" in said


def made_network(shape, classes=("a", "b")):
    inputs = keras.Input(shape)
    output = keras.layers.Dense(2, name="head")(keras.layers.Flatten()(inputs))
    facts = {"classes": list(classes), "preprocessing": {}}
    return Network("made", (calibrated(keras.Model(inputs, output), 1.0),), facts)


@pytest.mark.parametrize(
    ("takes", "given", "fits"),
    [
        ((8, 12, 3), (8, 12, 3), True),
        ((8, 12, 3), (12, 8, 3), False),
        ((8, 12), (8, 12, 1), True),
        ((8, 12, 1), (8, 12), True),
        ((8, 12, 1), (96, 1), False),
        ((96,), (8, 12, 1), True),
        ((96,), (8, 11, 1), False),
    ],
)
def test_samples_of_other_axes_are_refused_not_reshaped(takes, given, fits):
    x = np.random.default_rng(0).random((2, *given), np.float32)
    if fits:
        assert predict.probabilities(made_network(takes), x).shape == (2, 2)
    else:
        with pytest.raises(UserError, match="expected one for " + "x".join(map(str, given))):
            predict.probabilities(made_network(takes), x)


def test_an_image_of_another_size_has_its_row_and_columns_their_own_names(tmp_path):
    for name, shape in (("a", (12, 8, 3)), ("b", (8, 12, 3)), ("c", (8, 12, 3))):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f"{name}.png")
    output = tmp_path / "out.csv"
    network = made_network((8, 12, 3), ("class", "other"))
    files, _ = predict.find_scans(tmp_path, output)
    said, _ = predict.predict(medmnist, network, None, files, output)
    assert [prediction.probabilities is not None for prediction in said] == [False, True, True]
    assert "expected one for 12x8x3" in said[0].warnings[0]
    assert output.read_text().splitlines()[0] == "file,class,p(class),other,warnings"


def test_images_beside_a_dicom_series_are_passed_over_and_told(tmp_path):
    shutil.copy(get_testdata_file("CT_small.dcm"), tmp_path / "slice.dcm")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "preview.png")
    files, passed_over = predict.find_scans(tmp_path, tmp_path / "out.csv")
    assert files == [tmp_path]
    assert passed_over == [tmp_path / "preview.png"]


def test_a_sheet_of_an_ensemble_explains_the_class_of_its_caption(monkeypatch, tmp_path):
    first, second = made_network((4, 4, 1)), made_network((4, 4, 1))
    for network, bias in ((first, [0, 1]), (second, [3, 0])):
        network.models[0].get_layer("head").set_weights([np.zeros((16, 2)), np.array(bias)])
    explained = []
    true = explain.explain
    monkeypatch.setattr(explain, "explain", lambda *given: explained.append(given[2]) or true(*given))
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    both = replace(first, models=first.models + second.models)
    predict.predict(medmnist, both, None, [tmp_path / "a.png"], tmp_path / "out.csv")
    assert explained[0].tolist() == [0]


@pytest.mark.slow
def test_what_is_exported_predicts_the_same_and_has_its_card(runs, scans, tmp_path, capsys):
    folder = tmp_path / "model"
    assert main(["export", "spect", "--runs", str(runs), "--output", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "known.npz",
        "model.json",
        "model.keras",
        "model.onnx",
        "model.tflite",
    ]
    facts = json.loads((folder / "model.json").read_text())
    assert facts["classes"] == list(CLASSES)
    assert facts["preprocessing"] == task.preprocessing
    assert {name: found["cases"] for name, found in facts["agreement"].items()} == {
        "keras": 8,
        "litert": 8,
        "onnxruntime": 8,
    }
    card = (folder / "README.md").read_text()
    for words in (
        "stand-in",
        "Intended use",
        "Limits",
        "Protocol",
        "Log loss",
        "made by a test",
        "50 x 50 x 1",
    ):
        assert words in card
    assert str(tmp_path) not in card
    ours = predicted(["--model", str(folder), "--input", str(scans)], tmp_path / "a.csv")
    theirs = predicted(["--runs", str(runs), "--input", str(scans)], tmp_path / "b.csv")
    assert ours == theirs
    assert main(["export", "spect", "--runs", str(runs), "--output", str(folder)]) == 0  # over itself
    capsys.readouterr()


@pytest.mark.slow
def test_the_card_s_own_lines_of_python_give_the_same(runs, scans, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "model"
    assert main(["export", "spect", "--runs", str(runs), "--output", str(folder)]) == 0
    [row] = predicted(["--model", str(folder), "--input", str(scans / "0.npy")], tmp_path / "a.csv")
    source = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(folder)
    capsys.readouterr()
    exec(source.replace('"scan"', repr(str(scans / "0.npy"))), {})
    said = capsys.readouterr().out
    for name in CLASSES:
        found = said.split(f"'{name}': ")[1].split("}")[0].split(", '")[0]
        assert float(found.strip("np.float32()")) == pytest.approx(float(row[name]), abs=1e-4)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["predict", "spect", "--input", "."], "found no sweep of spect"),
        (["export", "spect"], "found no sweep of spect"),
        (["predict", "spect", "--runs", "RUNS"], "INPUT: found nothing"),
        (["predict", "spect", "--runs", "RUNS", "--input", "none"], "no such file"),
        (["predict", "spect", "--runs", "RUNS", "--input", ".", "--model", "vit"], "cnn, vgg16, ensemble"),
        (["predict", "spect", "--runs", "RUNS", "--input", ".", "--model", "a/b"], "found no such folder"),
        (["predict", "spect", "--runs", "RUNS", "--input", ".", "--model", "."], "found no saved network"),
        (["export", "spect", "--runs", "RUNS", "--model", "ensemble"], "expected a single network"),
        (
            ["predict", "spect", "--runs", "RUNS", "--input", ".", "--output", "folder.csv"],
            "cannot be written",
        ),
        (["predict", "spect", "--runs", "RUNS", "--input", ".", "--output", "scan.npy"], "expected .csv"),
        (["export", "spect", "--runs", "RUNS", "--output", "RUNS"], "of something else"),
    ],
)
def test_mistakes_are_one_line(runs, tmp_path, monkeypatch, capsys, words, names):
    monkeypatch.chdir(tmp_path)
    np.save("scan.npy", images(1)[0, ..., 0])
    (tmp_path / "folder.csv").mkdir()
    assert main([word.replace("RUNS", str(runs)) for word in words]) == EXIT_USER
    said = capsys.readouterr().err
    assert names in said
    assert said.count("\n") == 1


def test_a_changed_network_is_not_loaded(runs):
    chosen = run_network.choose(runs / "spect-made", "vgg16")
    content = chosen.files[0].read_bytes()
    try:
        chosen.files[0].write_bytes(content[:-1])
        with pytest.raises(UserError, match="missing or changed"):
            run_network.choose(runs / "spect-made", "vgg16")
    finally:
        chosen.files[0].write_bytes(content)
