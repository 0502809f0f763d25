"""`task.toml`: what a user may say of a folder of images, in the folder itself."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.data.folders.items import are_numbers
from bench.data.preprocess.any_image import NORMALISATIONS
from bench.errors import UserError
from bench.evaluate.metrics import METRICS

FILE = "task.toml"
_OF_ORDER = "quadratic_weighted_kappa"
_SIDES = {2: (8, 1024), 3: (2, 256)}


def read_task_toml(folder: Path, axes: int, classes: Sequence[str]) -> dict[str, Any]:
    """Read the file, if there is one, of a folder with samples of so many axes (2 or 3) and these classes.

    Returns a dict with `classes` in their order and with those of `title`, `size` (a list), `crop`, `colour`,
    `folds`, `metric`, `candidates` (a list of names) and `normalisation` that the file has; a metric
    `sensitivity:CLASS` as `metrics.get` names it.

    Raises UserError: the file is no TOML, a key or value is not one of these, or the metric is about an order that
    is not said; the line says what is expected.
    """
    file = folder / FILE
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8-sig")) if file.exists() else {}
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file}: found no TOML ({' '.join(str(error).split())}); expected keys = values"
        ) from error
    least, most = _SIDES[axes]
    ordered = found.get("classes", classes)
    if not isinstance(ordered, list | tuple) or sorted(map(str, ordered)) != sorted(classes):
        names = ", ".join(classes)
        raise UserError(f"{file}: found classes = {ordered!r}; expected {names} in brackets, in their order")
    ordered = tuple(map(str, ordered))
    metrics = {
        name: name
        for name, metric in METRICS.items()
        if metric.primary and (len(classes) == 2 or not metric.binary)
    }
    metrics |= {f"sensitivity:{label}": f"sensitivity[{column}]" for column, label in enumerate(ordered)}
    keys: dict[str, tuple[Callable[[Any], bool], str]] = {
        "title": (lambda v: isinstance(v, str) and bool(v.strip()), "a text"),
        "size": (
            lambda v: isinstance(v, list) and len(v) == axes and all(_is_whole(n, least, most) for n in v),
            f"{axes} whole numbers from {least} to {most} in brackets",
        ),
        "crop": (lambda v: type(v) in (int, float) and 0 < v <= 1, "a number above 0, at most 1"),
        "colour": (
            lambda v: isinstance(v, bool) and (axes == 2 or not v),
            "true or false, true for images alone",
        ),
        "classes": (lambda v: True, ""),  # looked at above
        "folds": (lambda v: _is_whole(v, 1, 100), "a whole number from 1 to 100"),
        "metric": (lambda v: v in metrics, f"one of {', '.join(metrics)}"),
        "candidates": (
            lambda v: isinstance(v, list) and bool(v) and all(isinstance(name, str) for name in v),
            "names of architectures in brackets",
        ),
        "normalisation": (lambda v: v in NORMALISATIONS, f"one of {', '.join(NORMALISATIONS)}"),
    }
    for key, value in found.items():
        if key not in keys:
            raise UserError(f"{file}: found {key!r}; expected some of {', '.join(keys)}")
        accepts, expected = keys[key]
        if not accepts(value):
            raise UserError(f"{file}: found {key} = {value!r}; expected {expected}")
    is_said = "classes" in found or are_numbers(classes) or len(classes) == 2
    if found.get("metric") == _OF_ORDER and not is_said:
        raise UserError(
            f"{file}: found metric = {_OF_ORDER!r}, which hangs on the order of the classes; expected "
            f"classes = [...] beside it, with {', '.join(classes)} in their order"
        )
    exact = {"classes": ordered, **({"metric": metrics[found["metric"]]} if "metric" in found else {})}
    return found | exact


def _is_whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most  # no bool
