"""Hashes of what Python files do, so that results of other code are not taken for results of this."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

_DATA = Path(__file__).parents[1]


def code_digest(paths: Iterable[Path]) -> str:
    """Hash what Python files say, comments, docstrings and layout left out."""
    digest = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if (
                isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                and body
                and isinstance(body[0], ast.Expr)
                and isinstance(body[0].value, ast.Constant)
            ):
                body[0] = ast.Expr(ast.Constant(None))
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def with_parts(path: Path, package: Path) -> list[Path]:
    """A module and what it imports, directly or not, of a package's own modules.

    Parameters
    ----------
    package : folder of the package (`architectures`).
    """
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found[current] = None
        for node in ast.walk(ast.parse(current.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    waiting += _module_files(name, package)
    return sorted(found)


def _module_files(name: str, package: Path) -> list[Path]:
    """The file of a module of a package, by its dotted name; none for the package itself and for others'."""
    first, *rest = name.split(".")
    if first != package.name or not rest:
        return []
    stem = package.joinpath(*rest)
    return [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()]


def generators_digest() -> str:
    """A digest of the code that makes builtin images."""
    return code_digest(sorted([*_DATA.glob("generators/*.py"), *_DATA.glob("preprocess/*.py")]))


def preprocessing_digest(stem: str) -> str:
    """A digest of the preprocessing and the feature extractors in the files whose names begin so."""
    return code_digest(sorted(_DATA.glob(f"preprocess/{stem}*.py")))
