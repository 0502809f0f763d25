"""USPS digits in the files of *The Elements of Statistical Learning* (Hastie, Tibshirani, Friedman)."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from bench.data.dataset import Dataset, fingerprint
from bench.data.sources import download
from bench.errors import UserError

SOURCE = "https://hastie.su.domains/ElemStatLearn/datasets/"
SHA256 = {
    "zip.train.gz": "66ebf231ab51f2cf6ac1a892d0f98ccffee1079d7a5db638c1f11f366046ca16",
    "zip.test.gz": "8dacc3c6e136af6c3488de9e5113a7daf140c8c2f1f0b61c54ee02f03f1a962f",
}
TRAIN, TEST = SHA256
_COLUMNS = 257  # a label and 16x16 grey values
_MAX_LETTERS = 2**26  # several times the training images


def is_there(folder: Path) -> bool:
    """Say whether the files are in the folder.

    Raises UserError: one is and the other is not.
    """
    found = [name for name in SHA256 if (folder / name).is_file()]
    if len(found) == 1:
        raise UserError(
            f"{folder}: found {found[0]} alone; expected {TRAIN} and {TEST}: `make data TASK=digits` goes on"
        )
    return len(found) == len(SHA256)


def fetch(folder: Path, source: str | None = None) -> list[str]:
    """Download what is missing, verified against pinned checksums; an interrupted download goes on."""
    return [
        download.fetch(f"{(source or SOURCE).rstrip('/')}/{name}", folder / name, sha256)
        for name, sha256 in SHA256.items()
    ]


def load(folder: Path) -> Dataset:
    """Read both files: `x` `[n, 16, 16, 1]` in [-1, 1], the official test images marked.

    Raises UserError: a file is missing, is not gzip, is cut short, or has a line that is no image; the message
    names the file and the line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"DATA={folder}: found no such folder; expected one with {TRAIN} and {TEST}")
    parts = [_read(folder / name) for name in SHA256]
    table = np.concatenate(parts)
    test = np.repeat([False, True], [len(part) for part in parts])
    x = np.ascontiguousarray(table[:, 1:].reshape(-1, 16, 16, 1))
    y = table[:, 0].astype(np.int64)
    return Dataset(
        name="usps",
        x=x,
        y=y,
        subjects=np.array([f"image{i:05d}" for i in range(len(x))]),
        classes=tuple(str(digit) for digit in range(10)),
        fingerprint=fingerprint(x, y, test),
        provenance=(
            "USPS digits with the split of *The Elements of Statistical Learning*. Who wrote a digit is not "
            "on record, so every image counts as a subject of its own."
        ),
        official_test=test,
        details={"training images": str(len(parts[0])), "test images": str(len(parts[1]))},
    )


def _read(path: Path) -> np.ndarray:
    """Read one file into float32 `[n, 257]`."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            text = file.read(_MAX_LETTERS + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: found no such file; expected {TRAIN} and {TEST} in {path.parent}") from None
    except gzip.BadGzipFile:
        raise UserError(f"{path}: found no gzip header; expected a gzip file") from None
    except (EOFError, zlib.error):
        raise UserError(f"{path}: found a file cut short or damaged; expected a whole gzip file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: found bytes that are no text; expected lines of numbers") from None
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror}); expected a gzip file") from None
    if len(text) > _MAX_LETTERS:
        raise UserError(
            f"{path}: found more than {_MAX_LETTERS} letters of text; expected a file of USPS digits"
        )
    lines = text.splitlines()
    if not lines:
        raise UserError(f"{path}: found no lines; expected a label and 256 grey values a line")
    try:  # all at once; only where something is wrong is it worth looking for the line
        table = np.array(" ".join(lines).split(), np.float64).reshape(len(lines), _COLUMNS)
        labels = table[:, 0]
        if np.isin(labels, np.arange(10)).all() and np.abs(table[:, 1:]).max() <= 1:
            return table.astype(np.float32)
    except ValueError:
        pass
    return np.array([_parse(path, number, line) for number, line in enumerate(lines, 1)], np.float32)


def _parse(path: Path, number: int, line: str) -> np.ndarray:
    where = f"{path} line {number}"
    values = line.split()
    if len(values) != _COLUMNS:
        raise UserError(f"{where}: found {len(values)} columns; expected {_COLUMNS} (label, 256 grey values)")
    try:
        row = np.array(values, np.float64)
    except ValueError:
        raise UserError(f"{where}: found text; expected {_COLUMNS} numbers") from None
    if not np.isfinite(row).all():
        raise UserError(f"{where}: found a value that is not finite; expected grey values in [-1, 1]")
    if row[0] not in range(10):
        raise UserError(f"{where}: found label {row[0]:g}; expected 0 to 9")
    if np.abs(row[1:]).max() > 1:
        raise UserError(
            f"{where}: found {row[1:][np.abs(row[1:]).argmax()]:g}; expected grey values in [-1, 1]"
        )
    return row
