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


def generators_digest() -> str:
    """A digest of the code that makes builtin images."""
    folder = Path(bench.data.__file__).parent
    return code_digest(sorted([*folder.glob("generators/*.py"), *folder.glob("preprocess/*.py")]))
