"""Sheets of scans with what a network looked at laid over them, one PNG for a dozen scans."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.report import figure_style

if TYPE_CHECKING:
    from bench.deploy.explain import Explanation

SCANS = 12  # on a sheet
_SLICES = 3  # of a volume
_INCHES, _ABOVE, _TITLE = 1.5, 0.5, 0.3  # of an image, of the text above it, of the sheet's title
_OPACITY = 0.55
# Stands in a sheet's first bytes, so that it is not taken for a scan, nor a scan for a sheet.
_MADE_BY, _HEAD = "scanbench predict", 4096


def names(output: Path, scans: int) -> list[Path]:
    """The sheets beside the CSV `output` for so many scans."""
    count = -(-scans // SCANS)
    return [
        output.with_name(f"{output.stem}{f'-{number}' if count > 1 else ''}.png")
        for number in range(1, count + 1)
    ]


def is_one(path: Path) -> bool:
    """Whether a file is a sheet, as `draw` makes them."""
    try:
        with path.open("rb") as file:
            return f"tEXtSoftware\0{_MADE_BY}".encode() in file.read(_HEAD)
    except OSError:
        return False


def of(output: Path) -> list[Path]:
    """The sheets that lie beside the CSV `output`."""
    name = re.compile(re.escape(output.stem) + r"(-[1-9]\d*)?\.png")
    return [path for path in output.parent.iterdir() if name.fullmatch(path.name) and is_one(path)]


@dataclass(frozen=True)
class Picture:
    """One scan on a sheet: a caption, and pairs of an image and its heat, both `[height, width]`, with a title."""

    caption: str
    panels: list[tuple[str, np.ndarray, np.ndarray]]


def picture(caption: str, sample: np.ndarray, explanation: "Explanation", place: int) -> Picture:
    """What is shown of a scan: the image, or the slices of a volume with most heat.

    `sample` is `[height, width, channels]` or `[depth, height, width, channels]`, as the network saw it;
    `place` that of the scan in the explanation.
    """
    grey, heat = sample.mean(axis=-1), explanation.heat[place]
    if grey.ndim == 2:
        return Picture(caption, [("", grey, heat)])
    by_slice = heat.max(axis=(1, 2)) if explanation.slices is None else explanation.slices[place]
    chosen = np.sort(np.argsort(-by_slice, kind="stable")[:_SLICES])
    if len(by_slice) > _SLICES and np.ptp(by_slice) == 0:  # one map for all: slices as channels of an image
        chosen = np.linspace(0, len(by_slice) - 1, _SLICES + 2).round().astype(int)[1:-1]
    titles = [f"slice {index + 1}" for index in chosen]
    if explanation.slices is not None:
        titles = [f"{title}: {100 * by_slice[i]:.0f}%" for title, i in zip(titles, chosen, strict=True)]
    return Picture(
        caption, [(title, grey[index], heat[index]) for title, index in zip(titles, chosen, strict=True)]
    )


def draw(pictures: Sequence[Picture], method: str, path: Path) -> None:
    """Draw a sheet: each image beside itself under its heat."""
    across = max(2 * len(picture.panels) for picture in pictures)
    columns = max(1, 6 // across)
    rows = -(-len(pictures) // columns)
    with figure_style.settings():
        width, height = _INCHES * across * columns, (_INCHES + _ABOVE) * rows + _TITLE
        figure = figure_style.new(width, height)
        figure.subplots_adjust(
            left=0.01,
            right=0.99,
            bottom=0.01,
            top=1 - (_TITLE + _ABOVE) / height,
            wspace=0.04,
            hspace=_ABOVE / _INCHES,
        )
        grid = figure.subplots(rows, across * columns, squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        for number, shown in enumerate(pictures):
            row, column = divmod(number, columns)
            place = grid[row, column * across : (column + 1) * across]
            place[0].text(0, 1.12, shown.caption, transform=place[0].transAxes, fontsize=7, va="bottom")
            for (title, image, heat), left, right in zip(shown.panels, place[::2], place[1::2], strict=False):
                left.imshow(image, cmap="gray")
                right.imshow(image, cmap="gray")
                right.imshow(heat, cmap="inferno", alpha=_OPACITY * np.clip(heat, 0, 1), vmin=0, vmax=1)
                left.set_title(title, fontsize=7, pad=2)
        figure.suptitle(f"What the network looked at ({method})", fontsize=9, y=1 - 0.05 / height)
        figure_style.save(figure, path, _MADE_BY)
