"""`labels.csv`: which file shows what, of whom, from where."""

import csv
import io
from pathlib import Path

from bench.data.folders.items import PART_NAMES, PARTS, Item
from bench.data.formats.listing import broken_link_lines, is_broken_link

LABELS = "labels.csv"
_MAX_BYTES = 2**26  # a million rows
_REQUIRED, _OPTIONAL = ("path", "label", "subject"), ("site", "split")


def labels_file(folder: Path) -> Path | None:
    """The file of that name in a folder, in any case, or a broken link to it; None if there is none."""
    named = [path for path in sorted(folder.iterdir()) if path.name.lower() == LABELS]
    return max(named, key=lambda path: path.name == LABELS, default=None)


def read_labels(file: Path, problems: list[str]) -> dict[int, Item]:
    """Read the rows that are complete, by line from 1; append a line to `problems` for all others.

    Paths are as they are written, and of no kind yet.
    Columns `path`, `label`, `subject` and optionally `site` and `split` (train, val or test), in any order and
    case; others are ignored.
    What spreadsheets write is understood: a byte order mark, and semicolons for commas.
    """
    if is_broken_link(file):
        problems.extend(broken_link_lines([file], file))
        return {}
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise OSError(f"more than {_MAX_BYTES} bytes")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file}: found {' '.join(str(error).split())}, expected a readable UTF-8 text")
        return {}
    header_line = next(filter(str.strip, text.split("\n")), "")
    delimiters = sorted(",;\t", key=header_line.count, reverse=True)
    fits = [
        each
        for each in delimiters
        if set(_REQUIRED) <= set(_names(next(csv.reader([header_line], delimiter=each))))
    ]
    delimiter = (fits or delimiters)[0]
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    table = []
    try:
        header = _names(next((row for row in reader if any(cell.strip() for cell in row)), []))
        top = f"{file}, line {reader.line_num}"
        line = reader.line_num + 1
        for cells in reader:
            table.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{file}, line {reader.line_num}: found {error}, expected comma-separated text")
        return {}
    twice = [name for name in (*_REQUIRED, *_OPTIONAL) if header.count(name) > 1]
    if twice:
        problems.append(f"{top}: found the column {twice[0]} more than once, expected each once")
        return {}
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        found = ",".join(header) or "an empty file"
        problems.append(f"{top}: found {found}, expected the columns path,label,subject (and site)")
        return {}
    rows = {}
    for line, cells in table:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{file}, line {line}"
        if len(cells) != len(header):
            lines = ", one of several lines: a quote that does not end?" if "\n" in "".join(cells) else ""
            problems.append(
                f"{where}: found {len(cells)} cells, expected {len(header)} as in the header{lines}"
            )
            continue
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        empty = [name for name in _REQUIRED if not values[name]]
        empty += [name for name in _OPTIONAL if values.get(name) == ""]
        if empty:
            problems.append(f"{where}: found no {' and no '.join(empty)}, expected a value")
            continue
        ours = "".join(values.get(name, "") for name in (*_REQUIRED, *_OPTIONAL))
        if not ours.isprintable():
            problems.append(f"{where}: found a control character, expected text")
            continue
        part = PART_NAMES.get(values["split"].casefold()) if "split" in values else None
        if "split" in values and part is None:
            problems.append(f"{where}: found split {values['split']!r}, expected one of {', '.join(PARTS)}")
            continue
        rows[line] = Item(
            Path(values["path"]), values["label"], values["subject"], values.get("site"), "", part
        )
    if not rows and not problems:
        problems.append(f"{file}: found no rows, expected one for each image")
    return rows


def _names(header: list[str]) -> list[str]:
    return [name.strip().lower() for name in header]
