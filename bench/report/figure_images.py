"""Pictures of the data: samples of each class, and the test images that are hardest to tell."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report import figure_style
from bench.report import sample_images as images_
from bench.report.results import Content

_WIDTH = 8.0
_GAP = 0.1  # between pictures, in pictures
_CELL = 64  # pixels that a picture is brought to, at least
_HARDEST, _HARDEST_COLUMNS = 16, 8


def samples(content: Content, look: figure_style.Look) -> Figure | None:
    """A row of samples for each class, as the networks see them."""
    return None if content.images is None else rows_of_classes(content.images, content.source.classes)


def rows_of_classes(images: images_.Images, classes: Sequence[str]) -> Figure | None:
    """A row of samples for each of the first classes; None for what is no image."""
    classes = classes[: images_.MOST_CLASSES]
    columns = 10 if len(classes) > 4 else 8
    indices = [images.of_class(label, columns) for label in range(len(classes))]
    pictures = [[images.picture(int(index)) for index in row] for row in indices]
    names = figure_style.shortened_all(classes, 14)
    margin = 0.12 + 0.085 * max(map(len, names))
    if (axes := _montage(pictures, columns, margin, above=0.0)) is None:
        return None
    for row, name in enumerate(names):
        axes.text(-0.08, row * (1 + _GAP) + 0.5, name, ha="right", va="center", fontsize=9.5)
    return axes.figure  # type: ignore[return-value]


def hardest(content: Content, look: figure_style.Look) -> Figure | None:
    """The test images whose true class gets the lowest probability, mean over all tested networks."""
    images = content.images
    entries = [a.entry for a in content.tested if a.entry.is_network] or [a.entry for a in content.tested]
    if images is None or not entries:
        return None
    found = images_.hardest(entries, _HARDEST)
    pictures = [images.picture(image.sample) for image in found.itertuples()]
    rows = [pictures[start : start + _HARDEST_COLUMNS] for start in range(0, len(found), _HARDEST_COLUMNS)]
    if not pictures or pictures[0] is None:
        return None
    tall, wide = pictures[0].shape[:2]
    above = 0.5 * wide / tall  # room for three lines of text, however tall the pictures
    if (axes := _montage(rows, _HARDEST_COLUMNS, 0.05, above)) is None:
        return None
    names = figure_style.shortened_all(content.source.classes, 9)
    for number, image in enumerate(found.itertuples()):
        row, column = divmod(number, _HARDEST_COLUMNS)
        truth, told = names[image.truth], names[image.told]
        axes.text(
            column * (1 + _GAP) + 0.5,
            row * (1 + _GAP + above) - 0.08 * above,
            f"true {truth}\ntold {told}\n{100 * image.probability:.0f}%",
            ha="center",
            va="bottom",
            fontsize=7.5,
            linespacing=1.25,
        )
    return axes.figure  # type: ignore[return-value]


def _montage(rows: Sequence[Sequence], columns: int, margin: float, above: float) -> Axes | None:
    """Show pictures of one size, `above` heights of room over each row.

    `margin`: room on the left, in inches.

    Returns the axes, with a unit of one picture's width across and one height down: picture `[row][column]` begins
    at `column * 1.1`, `row * (1.1 + above)`. None if there are no pictures.
    """
    pictures = [picture for row in rows for picture in row]
    if not pictures or any(picture is None for picture in pictures):
        return None
    low, high = _limits(pictures)
    tall, wide = pictures[0].shape[:2]
    unit = (_WIDTH - margin) / (columns * (1 + _GAP))  # inches
    across, down = columns * (1 + _GAP), len(rows) * (1 + _GAP + above)
    edge = _GAP / 2
    figure = figure_style.new(_WIDTH, (down + edge) * unit * tall / wide)
    axes = figure.add_axes((margin / _WIDTH, 0, 1 - margin / _WIDTH, 1))
    axes.set_axis_off()
    # One image of them all: a hundred images of their own take a hundred times as long to draw.
    factor = -(-_CELL // max(tall, wide))
    steps = [round(side * factor * (1 + gap)) for side, gap in ((tall, _GAP + above), (wide, _GAP))]
    canvas = np.ones((len(rows) * steps[0], columns * steps[1], 3), np.float32)
    for row, members in enumerate(rows):
        for column, picture in enumerate(members):
            grey = np.clip((picture - low) / (high - low), 0, 1)
            large = np.repeat(np.repeat(grey, factor, axis=0), factor, axis=1)
            y, x = row * steps[0], column * steps[1]
            canvas[y : y + len(large), x : x + large.shape[1]] = large if grey.ndim == 3 else large[..., None]
    axes.imshow(
        canvas,
        interpolation="nearest" if factor > 1 else "antialiased",
        extent=(0, across, down, 0),
        aspect="auto",
    )
    axes.set_xlim(0, across)
    axes.set_ylim(down - above, -above - edge)
    return axes


def _limits(pictures: Sequence) -> tuple[float, float]:
    """Grey values for black and white, shared by all pictures."""
    values = np.concatenate([np.ravel(picture) for picture in pictures])
    low, high = np.percentile(values, [0.5, 99.5])
    return (float(low), float(high)) if high > low else (float(values.min()), float(values.max()) + 1e-6)
