"""`reports/performance.md`: a section a part, each as it was last measured."""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pandas as pd

from bench.measure.environment import environment

PATH = Path("reports") / "performance.md"
_INTRODUCTION = """# Performance

Written by `make perf` (`python -m tests.perf PART ...`); parts that did not run keep what they last found. Where
two things are compared they ran in turns in one call; times of different parts, days and machines do not compare.
"""


def write(part: str, command: str, found: Iterable[str | pd.DataFrame], path: Path = PATH) -> None:
    """Put one part's results in the place of its last ones."""
    text = path.read_text() if path.exists() else _INTRODUCTION
    head, *sections = re.split(r"(?m)^(?=## )", text)
    by_part = {section.split("\n", 1)[0].removeprefix("## "): section.rstrip() for section in sections}
    by_part[part] = _section(part, command, found)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join([head.rstrip(), *(by_part[name] for name in sorted(by_part))]) + "\n")


def _section(part: str, command: str, found: Iterable[str | pd.DataFrame]) -> str:
    machine = environment()
    packages = machine["packages"]
    assert isinstance(packages, dict)
    versions = ", ".join(
        f"{name} {packages[name]}" for name in ("tensorflow", "keras", "keras-tuner", "numpy")
    )
    where = [f"{machine['processor']}, {machine['threads']} threads", *machine["gpus"]]  # type: ignore[misc]
    blocks = [render(block) for block in found]
    facts = f"{date.today():%Y-%m-%d}, `{command}`; {', '.join(where)}; scanbench {machine['scanbench']}"
    return "\n\n".join([f"## {part}", f"{facts}, {versions}.", *blocks]).rstrip()


def render(block: str | pd.DataFrame) -> str:
    """A table in markdown, or a paragraph."""
    return block if isinstance(block, str) else block.to_markdown(index=False, disable_numparse=True)
