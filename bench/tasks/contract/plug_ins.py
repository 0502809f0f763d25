"""Tasks and architectures that users name: those that are here, and files of their own."""

import os
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import architectures
from bench.errors import UserError
from bench.tasks.contract.candidate import TRANSFERS, Candidate
from tuning.runtime import import_tensorflow

if TYPE_CHECKING:
    from bench.tasks.contract.task import Task

Loaded = TypeVar("Loaded")


def load_file(variable: str, path: str, load: Callable[[str], Loaded], taken: list[str]) -> Loaded:
    """Load a task or an architecture from a file of the user's own, by `tasks.load` or `architectures.load`.

    `variable` is what named it, for messages; `taken` are names of those that are here, which no other file
    can have.

    Raises UserError: there is no such file, it cannot be imported, or what it holds is not what is asked for.
    """
    stem = architectures.file_of(path).stem
    if stem in taken:
        raise UserError(f"{variable}={path}: found the name of {stem}, which is builtin; expected another")
    try:
        return load(path)
    except KeyError as error:
        if error.args != (str(architectures.file_of(path).resolve()),):
            raise UserError(fault(variable, path, error)) from error
        raise UserError(f"{variable}={path}: found no such file; expected a Python file") from None
    except Exception as error:
        raise UserError(fault(variable, path, error)) from error


def fault(variable: str, path: str, error: Exception) -> str:
    """One line: what went wrong, and in which line of the file."""
    stem = architectures.file_of(path).name
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(stem)
    ]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    where = f", line {lines[-1]}" if lines else ""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{variable}={path}{where}: found {what}; expected a file that keeps the contract"


def find_candidates(text: str | None, task: "Task", variable: str = "ARCH") -> tuple[Candidate, ...]:
    """Parse ARCH: names of the task's candidates or of any architecture, or paths of files, parted by commas.

    `-phantom` or `-imagenet` after an architecture says where its first weights come from; `-frozen` after
    that, that nothing but the head learns.

    Raises UserError: an unknown name, a file that cannot be used, or weights that the task cannot make.
    """
    if not text:
        return tuple(task.candidates)
    chosen: list[Candidate] = []
    for name in dict.fromkeys(part.strip() for part in text.split(",") if part.strip()):
        transfer = next((known for known in TRANSFERS if name.endswith(f"-{known}")), "")
        stem = os.path.expanduser(name.removesuffix(f"-{transfer}") if transfer else name)
        if architectures.is_path(stem):
            import_tensorflow()  # or it says much about itself while the file imports it
            load_file(variable, stem, architectures.load, architectures.names())
            stem = str(architectures.file_of(stem).resolve())
        elif stem not in architectures.names():
            known = dict.fromkeys([*(c.name for c in task.candidates), *architectures.names()])
            raise UserError(
                f"{variable}={text}: found {name!r}; expected some of {', '.join(known)}, or a path to a file"
            )
        candidate = Candidate(stem, transfer or "scratch")
        if candidate.source == "phantom" and not task.has_generator():
            raise UserError(
                f"{variable}={text}: found {name!r}; expected no phantom, TASK={task.name} has no generator"
            )
        chosen.append(candidate)
    if not chosen:
        raise UserError(
            f"{variable}={text}: found no name; expected some of {', '.join(architectures.names())}"
        )
    twice = {c.name for c in chosen if sum(c.name == other.name for other in chosen) > 1}
    if twice:
        raise UserError(f"{variable}={text}: found two files named {min(twice)}; expected different names")
    return tuple(chosen)
