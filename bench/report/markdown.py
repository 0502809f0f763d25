"""Markdown that GitHub renders as meant, whatever is in the texts: escaping, tables, code, pictures.

A page is a list of blocks (headings, paragraphs, tables), parted by empty lines.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

import pandas as pd

# Two folders or more from the root: a place on somebody's machine, no matter for a reader elsewhere. There is none
# in `ER+/PR+/HER2-`.
_ABSOLUTE_PATH = re.compile(r"(?<![\w:/.~+*-])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:'\"(),;]+){2,}")
_SPECIAL = re.compile(r"([\\`*_\[\]|~$#])")


def escape(text: object) -> str:
    """Make any text show as it is, on one line, in a paragraph or a table's cell."""
    return _kept(" ".join(str(text).split()))


def _kept(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", text)


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


def prose(text: object) -> str:
    """Escape a note or a reason, without paths; what stands between two backticks is code."""
    parts = re.split(r"`([^`]+)`", " ".join(without_paths(text).split()))
    return "".join(code(part) if i % 2 else _kept(part) for i, part in enumerate(parts))


def table(frame: pd.DataFrame, texts: Sequence[str] = ()) -> str:
    """Show a frame whose cells are ready markdown.

    `texts`: the columns beside the first that are aligned to the left; the others are to the right.
    """
    sides = ["left" if name in (frame.columns[0], *texts) else "right" for name in frame.columns]
    return frame.to_markdown(index=False, disable_numparse=True, colalign=sides)


def facts(title: str, found: Sequence[tuple[str, str]]) -> str:
    """Show names and what is to be said of each, ready markdown, in a table."""
    return table(pd.DataFrame(found, columns=[title, ""]), texts=("",))


def picture(description: str, path: str) -> str:
    """Show a picture; `description` is read out to those who do not see it."""
    return f"![{escape(description)}]({quote(path)})"


def folded(title: str, block: str) -> str:
    """Hide a block until the reader opens it."""
    return f"<details>\n<summary>{escape(title)}</summary>\n\n{block}\n\n</details>"
