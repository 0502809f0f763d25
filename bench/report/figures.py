"""All figures of a report."""

import multiprocessing
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from bench.data.processes import cores
from bench.report import figure_front, figure_images, figure_predictions, figure_search, figure_style
from bench.report.results import Content

Draw = Callable[[Content, figure_style.Look], Figure | None]

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

    Returns file names by name of the figure, of those that were drawn.
    """
    here, there = list(FIGURES)[::2], list(FIGURES)[1::2]
    if _may_fork():  # drawing is most of a report's time, and holds the interpreter's lock
        child = multiprocessing.get_context("fork").Process(target=_draw, args=(content, folder, there))
        child.start()
        _draw(content, folder, here)
        child.join()
        if child.exitcode:
            _draw(content, folder, there)  # fails here, where the caller can see why
    else:
        _draw(content, folder, list(FIGURES))
    return {name: f"{name}.png" for name in FIGURES if (folder / f"{name}.png").exists()}


def _may_fork() -> bool:
    """Say whether a second process is of use, and safe: nothing may run that a fork would leave half done."""
    return cores() > 1 and threading.active_count() == 1 and "tensorflow" not in sys.modules


def _draw(content: Content, folder: Path, names: list[str]) -> None:
    look = figure_style.Look(content.assessments)
    with figure_style.settings():
        for name in names:
            figure = FIGURES[name](content, look)
            if figure is None:
                (folder / f"{name}.png").unlink(missing_ok=True)
            else:
                figure_style.save(figure, folder / f"{name}.png")
