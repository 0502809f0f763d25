"""The house: imports run one way between its rooms, and few files lie outside one (docs/architecture.md)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the ground up: a room may import those before it, and itself.
FLOORS = ("architectures", "tuning", "bench")
ROOMS = ("errors", "data", "evaluate", "measure", "tasks", "worker", "sweep", "report", "deploy", "commands")
DATA = (
    "dataset",
    "processes",
    "formats",
    "caches",
    "sources",
    "preprocess",
    "splits",
    "folders",
    "checks",
    "generators",
)


def _imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] in FLOORS}


def _arrows(package: str, order: tuple[str, ...]) -> list[str]:
    """Imports within a package that run up."""
    folder, depth = ROOT.joinpath(*package.split(".")), package.count(".") + 1
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        for name in sorted(_imports(path)):
            parts = name.split(".")
            if ".".join(parts[:depth]) != package or len(parts) <= depth or parts[depth] not in order:
                continue
            if room in order and order.index(parts[depth]) > order.index(room):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    return wrong


@pytest.mark.parametrize(("package", "order"), [("bench", ROOMS), ("bench.data", DATA)])
def test_imports_between_rooms_run_one_way(package, order):
    assert _arrows(package, order) == []
    present = {path.stem for path in ROOT.joinpath(*package.split(".")).iterdir() if path.stem[0] != "_"}
    assert present == set(order), "a room that the order does not name"


def test_floors_import_downwards_only():
    for floor, name in enumerate(FLOORS[:-1]):
        above = set(FLOORS[floor + 1 :])
        for path in (ROOT / name).rglob("*.py"):
            assert not {imported.split(".")[0] for imported in _imports(path)} & above, path


def test_the_top_of_bench_is_rooms():
    assert len(list((ROOT / "bench").glob("*.py"))) <= 4


def test_no_file_is_too_long_to_read():
    long = {
        str(path.relative_to(ROOT)): n
        for name in FLOORS
        for path in (ROOT / name).rglob("*.py")
        if (n := len(path.read_text().splitlines())) > 300
    }
    assert long == {}


def test_private_names_of_keras_are_not_used():
    for name in FLOORS:
        for path in (ROOT / name).rglob("*.py"):
            assert "keras.src" not in path.read_text(), path


def test_the_guide_names_files_that_are_there_and_every_room():
    guide = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:bench|tuning|architectures|tests)/[\w/]+\.py\b", guide))
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
    assert [room for room in (*ROOMS, *DATA) if not re.search(rf"\b{room}\b", guide)] == []
