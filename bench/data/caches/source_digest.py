"""Hashes of what Python files do, so that results of other code are not taken for results of this."""

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_DATA = Path(__file__).parents[1]
_OTHERS = {Path(path).resolve() for path in sysconfig.get_paths().values()}  # of Python and what is installed


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


def with_parts(path: Path, package: Path | None = None) -> list[Path]:
    """A module and what it imports, directly or not, of a package's own modules and of a user's.

    A user's are those that neither come with Python, nor are installed, nor are scanbench's. `package` is the
    folder of the package (`architectures`), if any is to count.
    """
    found: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found[current] = None
        for node in ast.walk(ast.parse(current.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                waiting += _module_files(name, package)
    return sorted(found)


def _module_files(name: str, package: Path | None) -> list[Path]:
    """The file of a module by its dotted name: of `package` but not the package itself, or of a user's."""
    first, *rest = name.split(".")
    if package is not None and first == package.name:
        stem = package.joinpath(*rest)
        return [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if rest and path.is_file()]
    spec = None
    with suppress(ImportError, ValueError):  # looks for it, and imports nothing
        spec = importlib.util.find_spec(first) if first not in ("bench", "tuning", "architectures") else None
    if spec is None:
        return []
    stems = [Path(root).joinpath(*rest) for root in spec.submodule_search_locations or () if rest]
    files = [
        Path(spec.origin or ""),
        *(path for stem in stems for path in (stem.with_suffix(".py"), stem / "__init__.py")),
    ]
    found = [file.resolve() for file in files if file.suffix == ".py" and file.is_file()]
    return [file for file in found if not any(map(file.is_relative_to, _OTHERS))]


def generators_digest() -> str:
    """A digest of the code that makes builtin images."""
    return code_digest(sorted([*_DATA.glob("generators/*.py"), *_DATA.glob("preprocess/*.py")]))


def preprocessing_digest(stem: str) -> str:
    """A digest of the preprocessing and the feature extractors in the files whose names begin so."""
    return code_digest(sorted(_DATA.glob(f"preprocess/{stem}*.py")))
