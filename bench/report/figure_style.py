"""How figures look, and how they are saved: opaque and legible on light and dark pages, small, always the same."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bench.report.statistics import Assessment
from tuning import durable

DPI = 120
INK, QUIET, LINE = "#1f2328", "#59636e", "#d1d9e0"
MOST = 8  # networks in a figure; more cannot be told apart

# Okabe & Ito 2008, Color Universal Design, without its yellow and its black, which serves for text.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8A6D3B")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_REFERENCE_COLOUR = "#6b7580"

_SETTINGS: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.7,
    # Text from users' data is shown as it is: a dollar sign in a class name begins no formula.
    "text.parse_math": False,
}


class Look:
    """Colour and marker of each architecture, the same in all figures of a report."""

    def __init__(self, assessments: Sequence[Assessment]) -> None:
        networks = sorted(a.name for a in assessments if a.entry.is_network)
        references = sorted(a.name for a in assessments if not a.entry.is_network)
        self._place = {name: i for names in (networks, references) for i, name in enumerate(names)}
        self._references = set(references)

    def colour(self, name: str) -> str:
        return _REFERENCE_COLOUR if name in self._references else _COLOURS[self._place[name] % len(_COLOURS)]

    def marker(self, name: str) -> str:
        place = self._place[name]
        return _MARKERS[(place + place // len(_COLOURS)) % len(_MARKERS)]  # no two are alike in both

    def fill(self, name: str) -> str:
        """References are hollow."""
        return "white" if name in self._references else self.colour(name)


def settings() -> AbstractContextManager[None]:
    """Context in which figures are made."""
    return matplotlib.rc_context(_SETTINGS)


def new(width: float, height: float) -> Figure:
    """Make an empty figure of that many inches, with a renderer."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


@dataclass(frozen=True)
class Margins:
    """Room around and between panels, in inches. Set by hand: Matplotlib's own layout takes half the time."""

    left: float = 0.62
    right: float = 0.08
    bottom: float = 0.5
    top: float = 0.3
    between: float = 0.22
    below: float = 0.8  # a row of panels and the next


def panels(count: int, width: float, height: float, margins: Margins, **options) -> tuple[Figure, list[Axes]]:
    """Make a grid of `count` panels, four in a row, in a figure `width` inches wide, each row `height` inches high.

    Unused places stay empty.
    """
    columns = min(4, count)
    rows = -(-count // columns)
    total = margins.top + rows * height + (rows - 1) * margins.below + margins.bottom
    figure = new(width, total)
    panel = (width - margins.left - margins.right - (columns - 1) * margins.between) / columns
    figure.subplots_adjust(
        left=margins.left / width,
        right=1 - margins.right / width,
        bottom=margins.bottom / total,
        top=1 - margins.top / total,
        wspace=margins.between / panel,
        hspace=margins.below / height,
    )
    grid = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for unused in grid[count:]:
        unused.set_axis_off()
    return figure, list(grid[:count])


def number_decades(axis: Axis, most: int) -> None:
    """Put ticks at round numbers of a logarithmic axis, in each decade as many as come to about `most` in all."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    subs = next((subs for subs in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5)) if decades * len(subs) < most), (1,))
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def network_panels(
    shown: Sequence[Assessment], label: str, width: float = 8, top: float = 0.3, **options
) -> tuple[Figure, list[Axes]]:
    """Make a panel for each network, four in a row, with its title and a label at the left."""
    figure, grid = panels(len(shown), width, 1.75, Margins(top=top), sharey=True, **options)
    for number, (axes, a) in enumerate(zip(grid, shown, strict=True)):
        axes.set_title(shortened(a.entry.title, 24 if len(shown) > 2 else 40))
        axes.set_ylabel("" if number % 4 else label)
    return figure, grid


def save(figure: Figure, path: Path, made_by: str = "") -> None:
    """Save as a PNG of at most 256 colours; it says what it was made by, where that is given."""
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    note = PngInfo()
    if made_by:
        note.add_text("Software", made_by)
    few = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", pnginfo=note)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write(path, buffer.getvalue())


def shortened_all(texts: Sequence[str], length: int) -> list[str]:
    """Cut texts that would not fit, and keep different ones different: at the end, in the middle, or numbered."""
    tail = length // 2
    texts = [" ".join(text.split()) for text in texts]
    ends = [shortened(text, length) for text in texts]
    middles = [t if len(t) <= length else f"{t[: length - tail - 1]}…{t[-tail:]}" for t in texts]
    numbered = [f"{n} {shortened(text, length - 1 - len(str(n)))}" for n, text in enumerate(texts, start=1)]
    return next((cut for cut in (ends, middles) if len(set(cut)) == len(set(texts))), numbered)


def shortened(text: str, length: int = 16) -> str:
    """Cut a text that would not fit."""
    line = " ".join(str(text).split())
    return line if len(line) <= length else line[: length - 1] + "…"
