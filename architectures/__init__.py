"""What can be compared: one file, one architecture, registered nowhere.

A file `architectures/NAME.py` holds a module-level object `architecture` with

name : str, the file's name
title : str, as it stands in reports
input : "vector", "image" or "volume"
build(hp, input_shape, n_classes) : an uncompiled `keras.Model` ending in logits `[batch, n_classes]`

Every hyperparameter that `build` asks `hp` for is structural: another value is another graph.
What architectures share is in `architectures.layers`, by public names.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

FOLDER = Path(__file__).parent


@runtime_checkable
class Architecture(Protocol):
    """What an architecture file's `architecture` has to offer."""

    name: str
    title: str
    input: str
    build: Callable[..., Any]


def names() -> list[str]:
    """Return the names of all architectures, from the file names alone; nothing is imported."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> Architecture:
    """Import one architecture. This imports Keras.

    Raises
    ------
    KeyError : there is no such file.
    TypeError : the file's `architecture` lacks a part of the contract.
    """
    if name not in names():
        raise KeyError(name)
    module = importlib.import_module(f"architectures.{name}")
    architecture = getattr(module, "architecture", None)
    if not isinstance(architecture, Architecture):
        raise TypeError(f"architectures/{name}.py: `architecture` needs name, title, input and build")
    return architecture
