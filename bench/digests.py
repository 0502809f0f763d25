"""Hashes of what Python files do, so that results of other code are not taken for results of this."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

import bench.data


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


def with_parts(path: Path, prefix: str) -> list[Path]:
    """A module and what it imports, directly or not, of its own folder's modules.

    Parameters
    ----------
    prefix : name of the package that the folder is (`architectures`).
    """
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found or not current.is_file():
            continue
        found[current] = None
        for node in ast.walk(ast.parse(current.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == prefix:
                names = [node.module.split(".")[1]] if "." in node.module else [a.name for a in node.names]
                waiting += [path.parent / f"{name}.py" for name in names]
    return sorted(found)


def generators_digest() -> str:
    """A digest of the code that makes builtin images."""
    folder = Path(bench.data.__file__).parent
    return code_digest(sorted([*folder.glob("generators/*.py"), *folder.glob("preprocess/*.py")]))
