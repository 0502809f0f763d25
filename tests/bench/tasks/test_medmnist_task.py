"""Any set of MedMNIST: what is made of it before and while it is loaded, its metrics, and where it comes from."""

import hashlib
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from bench import tasks
from bench.commands.main import main
from bench.data.caches.cached_dataset import open_cached
from bench.data.sources import medmnist
from bench.errors import UserError
from bench.evaluate import metrics

TASK = tasks.load("medmnist")


def write(path, shape, n=(9, 3, 3), n_classes=3, labels=1):
    arrays = {}
    for part, count in zip(("train", "val", "test"), n, strict=True):
        arrays[f"{part}_images"] = np.zeros((count, *shape), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count * labels).reshape(count, labels) % n_classes).astype("u1")
    np.savez_compressed(path, **arrays)
    return str(path)


@pytest.mark.parametrize(
    ("shape", "stored", "candidate"),
    [
        ((28, 28), (28, 28, 1), "cnn"),
        ((12, 12, 3), (12, 12, 3), "cnn"),
        ((6, 6, 6), (6, 6, 6, 1), "cnn_3d"),
    ],
)
def test_candidates_fit_and_nothing_is_stretched(tmp_path, shape, stored, candidate):
    data = write(tmp_path / "pathmnist_64.npz", shape)
    task = TASK.configured(data)
    assert task.candidates[0].architecture == candidate
    assert task.title == f"PathMNIST of MedMNIST, {'x'.join(map(str, stored[:-1]))}"
    dataset = open_cached(task.load(data, tmp_path, tmp_path / "cache"))
    assert dataset.x.shape[1:] == task.prepare(dataset.x, task.preprocessing).shape[1:] == stored
    assert dataset.classes[0] == "adipose"
    assert dataset.official_validation.sum() == dataset.official_test.sum() == 3
    assert task.published(dataset) == []  # of that name, and not MedMNIST's
    official = replace(dataset, details={})
    assert {"title": "AutoKeras", "auc": 0.959, "accuracy": 0.834} in task.published(official)
    assert TASK.title == "MedMNIST"  # the task itself is as it was


def test_a_large_set_is_seen_for_fewer_epochs():
    small, large = TASK.for_samples(1000, (28, 28, 1)), TASK.for_samples(90_000, (28, 28, 3))
    assert small.presets["quick"] == TASK.presets["quick"]
    assert 3 <= large.presets["quick"].epochs < small.presets["quick"].epochs / 3
    assert large.presets["smoke"].epochs == TASK.presets["smoke"].epochs
    assert small.references
    assert not large.references


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda folder: None, r"^TASK=medmnist: found no DATA; expected DATA=file\.npz"),
        (lambda folder: write(folder / "chestmnist.npz", (5, 5), labels=14), "found 14 labels an image"),
        (lambda folder: write(folder / "flat.npz", ()), r"found train_images of uint8 \(9,\)"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(tmp_path, arrange, message):
    with pytest.raises(UserError, match=message) as caught:
        TASK.configured(data := arrange(tmp_path)).load(data, tmp_path, tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_new_images_are_read_as_those_of_a_set(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
    np.save(tmp_path / "volume.npy", values[..., 0])
    Image.fromarray(values[0, ..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(values[0]).save(tmp_path / "colour.png")
    for name, expected in (
        ("volume.npy", values[..., :1]),
        ("grey.png", values[0, ..., :1]),
        ("colour.png", values[0]),
    ):
        (found,) = TASK.read([tmp_path / name])
        np.testing.assert_array_equal(found, expected.astype(np.float32) / np.float32(255))


def test_new_images_of_another_kind_are_refused_in_a_line(tmp_path):
    for name, size, dtype in (("a", (4, 5), np.uint8), ("b", (5, 5), np.uint8), ("c", (4, 5), np.uint16)):
        Image.fromarray(np.ones(size, dtype)).save(tmp_path / f"{name}.png")
    a, b, c = (tmp_path / f"{name}.png" for name in "abc")
    with pytest.raises(UserError, match=r"b\.png: found 5x5x1; expected 4x5x1, as .*a\.png has$"):
        TASK.read([a, b])
    with pytest.raises(UserError, match=r"c\.png: found 16 bits; expected 8, as MedMNIST has$"):
        TASK.read([c])


@pytest.mark.parametrize("n_classes", [2, 4])
def test_metrics_are_those_of_medmnists_evaluator(n_classes):
    rng = np.random.default_rng(1)
    y, p = np.arange(40) % n_classes, rng.dirichlet(np.ones(n_classes), 40)
    if n_classes == 2:  # medmnist/evaluator.py: getAUC and getACC, `binary-class`, of the last column
        auc, acc = roc_auc_score(y, p[:, -1]), np.mean((p[:, -1] > 0.5) == y)
    else:  # `multi-class`, and `ordinal-regression` alike
        auc = np.mean([roc_auc_score(y == label, p[:, label]) for label in range(n_classes)])
        acc = np.mean(p.argmax(axis=-1) == y)
    assert metrics.score("auc", y, p) == pytest.approx(auc)
    assert metrics.score("accuracy", y, p) == pytest.approx(acc)


def test_every_set_has_checksums_and_results_that_can_be(tmp_path):
    for name, known in medmnist.known_sets().items():
        assert set(known["md5"]) == ({"28", "64"} if name.endswith("3d") else {"28", "64", "128", "224"})
        assert all(len(md5) == 32 and int(md5, 16) for md5 in known["md5"].values())
        assert all(
            0.5 < value < 1 or value > 0.3 for row in known.get("published", {}).values() for value in row
        )
        assert len(known["classes"]) >= 2
    assert {"adrenalmnist3d", "adrenalmnist3d_64", "pathmnist_224"} < set(TASK.sets)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_a_set_is_fetched_and_its_checksum_verified(tmp_path, server, monkeypatch, capsys):
    content = b"a set"
    (tmp_path / "served" / "adrenalmnist3d_64.npz").write_bytes(content)
    options = ["--data-folder", str(tmp_path / "data"), "--source", server, "--name", "adrenalmnist3d_64"]
    assert main(["data", "medmnist", *options]) == 2
    assert "found content with md5 " in capsys.readouterr().err
    md5 = {"64": hashlib.md5(content).hexdigest()}
    monkeypatch.setitem(medmnist.known_sets()["adrenalmnist3d"], "md5", md5)
    assert main(["data", "medmnist", *options]) == 0
    assert (tmp_path / "data" / "medmnist" / "adrenalmnist3d_64.npz").read_bytes() == content
    assert "downloaded, checksum verified" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "NAME=: found nothing; expected one of pathmnist, pathmnist_64"),
        (["--name", "chestmnist"], "NAME=chestmnist: found chestmnist; expected one of"),
        (["--name", "pathmnist", "--source", "http://127.0.0.1:9"], "no answer"),
    ],
)
def test_a_set_that_cannot_be_fetched_is_told_in_a_line(tmp_path, capsys, options, message):
    assert main(["data", "medmnist", "--data-folder", str(tmp_path), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
