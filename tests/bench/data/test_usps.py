"""Reading USPS: the real files where they are, and every way in which they can be damaged."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from bench.data.sources import digits_standin, usps
from bench.errors import UserError

COUNTS = {  # the shared data's README, and Hastie et al., "The Elements of Statistical Learning", 11.7
    "train": [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644],
    "test": [359, 264, 198, 166, 200, 160, 170, 147, 166, 177],
}


def line(label: float = 3.0, value: float = -0.5) -> str:
    return f"{label:.4f} " + " ".join([f"{value:.4f}"] * 256)


def write(folder: Path, train: list[str], test: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in ((usps.TRAIN, train), (usps.TEST, test)):
        with gzip.open(folder / name, "wt") as file:
            file.write("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "usps", [line(label) for label in range(10)], [line(7.0), line(2.0)])


def message(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        usps.load(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert "expected" in text
    return text


def test_small_files_are_read(folder):
    dataset = usps.load(folder)
    assert dataset.x.shape == (12, 16, 16, 1)
    assert dataset.x.dtype == np.float32
    assert dataset.y.tolist() == [*range(10), 7, 2]
    assert dataset.official_test.tolist() == [False] * 10 + [True] * 2
    assert len(set(dataset.subjects)) == 12
    assert not dataset.stand_in


def test_an_image_is_read_row_by_row(tmp_path):
    values = np.linspace(-1, 1, 256).round(4)
    text = "1.0 " + " ".join(map(str, values))
    dataset = usps.load(write(tmp_path / "usps", [text], [text]))
    np.testing.assert_allclose(dataset.x[0, 2, 5, 0], values[2 * 16 + 5], rtol=1e-6)


def test_the_fingerprint_knows_the_content_and_the_split(tmp_path, folder):
    lines = [line(label) for label in range(10)]
    same = write(tmp_path / "same", lines, [line(7.0), line(2.0)])
    moved = write(tmp_path / "moved", [*lines, line(7.0)], [line(2.0)])
    changed = write(tmp_path / "changed", [line(0, 0.25), *lines[1:]], [line(7.0), line(2.0)])
    found = [usps.load(each).fingerprint for each in (folder, same, moved, changed)]
    assert found[0] == found[1]
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" ".join(line().split()[:-1]), "found 256 columns; expected 257"),
        (" ".join(line().split()[:-2]), "found 255 columns"),
        (line() + " 0.1", "found 258 columns"),
        (line(11.0), "found label 11; expected 0 to 9"),
        (line(-1.0), "found label -1"),
        (line(3.5), "found label 3.5"),
        (line(float("nan")), "found a value that is not finite"),
        (line(3, float("nan")), "found a value that is not finite; expected grey values in [-1, 1]"),
        (line(3, float("inf")), "found a value that is not finite"),
        (line(3, -1.5), "found -1.5; expected grey values in [-1, 1]"),
        (line().replace("-0.5000", "dark", 1), "found text; expected 257 numbers"),
        ("", "found 0 columns"),
    ],
)
@pytest.mark.parametrize("name", [usps.TRAIN, usps.TEST])
def test_a_wrong_line_is_named(tmp_path, text, found, name):
    parts = {usps.TRAIN: [line()] * 3, usps.TEST: [line()] * 3}
    parts[name] = [line(), text, line()]
    folder = write(tmp_path / "usps", parts[usps.TRAIN], parts[usps.TEST])
    said = message(folder)
    assert said.startswith(f"{folder / name} line 2: ")
    assert found in said


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path, folder):
    assert "found no such folder" in message(tmp_path / "nowhere")
    (folder / usps.TEST).unlink()
    assert f"{folder / usps.TEST}: found no such file" in message(folder)
    with pytest.raises(UserError, match=r"zip\.train\.gz alone"):
        usps.is_there(folder)


@pytest.mark.parametrize("content", [b"3.0 0.5 0.5\n", b"PK\x03\x04", b"\0" * 100])
def test_what_is_not_gzip_is_named(folder, content):
    (folder / usps.TRAIN).write_bytes(content)
    assert f"{folder / usps.TRAIN}: found no gzip header; expected a gzip file" in message(folder)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_file_cut_short_is_named(folder, share):
    content = (folder / usps.TRAIN).read_bytes()
    (folder / usps.TRAIN).write_bytes(content[: max(int(share * len(content)), 4)])
    assert f"{folder / usps.TRAIN}: " in message(folder)


def test_damage_inside_is_named(folder):
    content = bytearray((folder / usps.TEST).read_bytes())
    content[20:30] = b"\xff" * 10
    (folder / usps.TEST).write_bytes(bytes(content))
    assert f"{folder / usps.TEST}: " in message(folder)


def test_an_empty_file_and_one_that_is_no_file(folder):
    (folder / usps.TRAIN).write_bytes(b"")
    assert f"{folder / usps.TRAIN}" in message(folder)
    (folder / usps.TRAIN).unlink()
    (folder / usps.TRAIN).mkdir()
    assert "cannot read (Is a directory)" in message(folder)


def test_binary_inside_gzip_is_no_text(folder):
    with gzip.open(folder / usps.TRAIN, "wb") as file:
        file.write(b"\xff\xfe\x00\x01" * 100)
    assert "no text" in message(folder)


@pytest.mark.slow
def test_the_real_files(real_data):
    if not usps.is_there(real_data / "usps"):
        pytest.skip(f"no USPS files in {real_data / 'usps'}")
    dataset = usps.load(real_data / "usps")
    train, test = ~dataset.official_test, dataset.official_test
    assert np.bincount(dataset.y[train]).tolist() == COUNTS["train"]
    assert np.bincount(dataset.y[test]).tolist() == COUNTS["test"]
    assert dataset.x.min() == -1
    assert dataset.x.max() == 1


def test_the_stand_in_says_that_it_is_one():
    dataset = digits_standin.load()
    assert dataset.stand_in
    assert "not USPS" in dataset.provenance
    assert dataset.x.shape == (1797, 16, 16, 1)
    assert dataset.x.min() >= -1
    assert dataset.x.max() <= 1
    assert dataset.official_test.sum() == 540
    # Bilinear enlargement to pixel centres keeps the mean of a picture with an empty border.
    from sklearn.datasets import load_digits

    small = load_digits().images / 8 - 1
    assert np.corrcoef(dataset.x.mean(axis=(1, 2, 3)), small.mean(axis=(1, 2)))[0, 1] > 0.99
