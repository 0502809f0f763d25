"""Markdown that GitHub renders as meant, whatever is in the texts: escaping, tables, code, pictures."""

import re
from collections.abc import Sequence
from urllib.parse import quote

# Two folders or more from the root: a place on somebody's machine, no matter for a reader elsewhere.
_ABSOLUTE_PATH = re.compile(r"(?<![\w:/.~-])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:'\"(),;]+){2,}")
_SPECIAL = re.compile(r"([\\`*_\[\]|~$#])")


def escape(text: object) -> str:
    """Make any text show as it is, on one line, in a paragraph or a table's cell."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", line)


def code(text: object) -> str:
    """Show a text in a code span, fenced by more backticks than it holds; for use in tables too."""
    line = " ".join(str(text).split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    line = line or " "  # an empty code span is none
    return f"{fence}{pad}{line}{pad}{fence}"


def without_paths(text: object) -> str:
    """Replace absolute paths in a text by their last part."""
    return _ABSOLUTE_PATH.sub(lambda match: re.split(r"[/\\]", match[0])[-1], str(text))


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1, texts_from: int | None = None
) -> list[str]:
    """Lines of a table whose cells are ready markdown.

    Parameters
    ----------
    numbers_from : the first column that is aligned to the right.
    texts_from : the first after it that is aligned to the left again.
    """
    last = len(header) if texts_from is None else texts_from
    marks = ["---:" if numbers_from <= column < last else "---" for column in range(len(header))]
    return [_row(header), _row(marks), *(_row(row) for row in rows), ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def picture(description: str, path: str) -> list[str]:
    """Lines that show a picture; `description` is read out to those who do not see it."""
    return [f"![{escape(description)}]({quote(path)})", ""]


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Lines that are hidden until the reader opens them."""
    return ["<details>", f"<summary>{escape(title)}</summary>", "", *lines, "</details>", ""]
