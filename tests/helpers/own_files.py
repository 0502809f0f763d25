"""Files that `make contract FILES=...` is asked to test."""

import os
from pathlib import Path

import pytest

import architectures

FILES = [name.strip() for name in os.environ.get("CONTRACT_FILES", "").split(",") if name.strip()]


def those_with(what: str) -> list[str]:
    """Those that hold an object of this name, `architecture` or `task`; one that holds neither ends the tests."""
    found = []
    for name in FILES:
        if not Path(name).is_file():
            pytest.exit(f"FILES={name}: found no such file; expected Python files, parted by commas", 2)
        module = architectures.import_file(Path(name))
        if not hasattr(module, "architecture") and not hasattr(module, "task"):
            pytest.exit(f"FILES={name}: found neither `architecture` nor `task`; expected one of them", 2)
        found += [name] if hasattr(module, what) else []
    return found
