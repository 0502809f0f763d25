"""All figures of a report."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from bench.report import figure_front, figure_images, figure_predictions, figure_search, style
from bench.report.content import Content

Draw = Callable[[Content, style.Look], Figure | None]

# Each draws from the content, or returns None where there is nothing to show.
FIGURES: dict[str, Draw] = {
    "front": figure_front.front,
    "confusion": figure_predictions.confusion,
    "calibration": figure_predictions.calibration,
    "samples": figure_images.samples,
    "hardest": figure_images.hardest,
    "learning": figure_search.learning,
    "search": figure_search.search,
}


def draw(content: Content, folder: Path) -> dict[str, str]:
    """Draw the figures into a folder; those of an earlier report that have no content now are deleted.

    Returns
    -------
    dict : name of a figure to its file name, of those that were drawn.
    """
    drawn = {}
    look = style.Look(content.assessments)
    with style.settings():
        for name, make in FIGURES.items():
            figure = make(content, look)
            path = folder / f"{name}.png"
            if figure is None:
                path.unlink(missing_ok=True)
                continue
            style.save(figure, path)
            drawn[name] = path.name
    return drawn
