"""What can be compared: one file, one architecture, registered nowhere.

A file `architectures/NAME.py`, or any other file `NAME.py` that is given by its path, holds a module-level
object `architecture` with

name : str, the file's name
title : str, as it stands in reports
input : "vector", "image" or "volume"
build(hp, input_shape, n_classes) : an uncompiled `keras.Model` ending in logits `[batch, n_classes]`

Every hyperparameter that `build` asks `hp` for is structural: another value is another graph.
What architectures share is in `architectures.layers`, by public names.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

FOLDER = Path(__file__).parent
KINDS = ("vector", "image", "volume")


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


def is_path(reference: str) -> bool:
    """Say whether an architecture or a task is named by the path of its file."""
    return reference.endswith(".py")


def file_of(reference: str) -> Path:
    """The file of an architecture: its own path, or the one of that name in this folder."""
    return Path(reference) if is_path(reference) else FOLDER / f"{reference}.py"


def load(reference: str) -> Architecture:
    """Import one architecture, by a name out of `names` or by the path of a file. This imports Keras.

    Raises KeyError: there is no such file; TypeError: its `architecture` lacks a part of the contract, or has
    another input or name than there may be.
    """
    file = file_of(reference)
    if is_path(reference):
        module = import_file(file)
    elif reference in names():
        module = importlib.import_module(f"architectures.{reference}")
    else:
        raise KeyError(reference)
    architecture = getattr(module, "architecture", None)
    if isinstance(architecture, type) or not isinstance(architecture, Architecture):
        raise TypeError(f"{file.name}: `architecture` needs name, title, input and build, and is no class")
    if architecture.input not in KINDS:
        raise TypeError(f"{file.name}: `architecture` has input {architecture.input!r}, not one of {KINDS}")
    if architecture.name != file.stem:
        raise TypeError(f"{file.name}: `architecture` is named {architecture.name!r}, not as its file")
    return architecture


def import_file(path: Path) -> ModuleType:
    """Import a Python file by its path, once in a process; a KeyError where there is none.

    Layers that it defines are registered with Keras, so that every process that has imported the file opens what is
    saved of them, wherever the file lies by then.
    """
    path = path.resolve()
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if not path.is_file():
        raise KeyError(str(path))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    except BaseException:
        del sys.modules[name]
        raise
    _register_layers(module, path.stem)
    return module


def _register_layers(module: ModuleType, stem: str) -> None:
    """Register those of a module's layers that it has not registered itself, under its file's name."""
    keras: Any = sys.modules.get("keras")  # a task's file need not bring it in
    for value in vars(module).values() if keras else ():
        ours = (
            isinstance(value, type) and issubclass(value, keras.Layer) and value.__module__ == module.__name__
        )
        if ours and ">" not in keras.saving.get_registered_name(value):
            keras.saving.register_keras_serializable(stem)(value)
