"""Labels beside points that hide neither points nor each other."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from bench.report.style import QUIET

_DISTANCES = (9, 13, 18, 26, 36, 48, 62, 80)
_ANGLES = (20, 160, -20, -160, 60, 120, -60, -120, 0, 180, 90, -90)


def place(axes: Axes, texts: Sequence, points: np.ndarray, obstacles: Sequence[Bbox]) -> None:
    """Move texts to free places near their points.

    Parameters
    ----------
    texts : Matplotlib texts of `axes`, horizontally and vertically centred, in the order of `points`.
    points : float `[n, 2]`, in data coordinates.
    obstacles : boxes in pixels that should not be covered, the points' markers among them.
    """
    frame = axes.get_window_extent()
    scale = axes.figure.dpi / 72
    axes.apply_aspect()
    taken = list(obstacles)
    for text, point in zip(texts, points, strict=True):
        anchor = axes.transData.transform(point)
        box = text.get_window_extent()
        best, cost = None, math.inf
        for distance in _DISTANCES:
            for rank, angle in enumerate(_ANGLES):
                centre = _centre(anchor, box, distance * scale, math.radians(angle))
                found = Bbox.from_bounds(
                    centre[0] - box.width / 2, centre[1] - box.height / 2, box.width, box.height
                )
                price = 8 * _overlap(found, taken) + 50 * _outside(found, frame) + distance * 10 + rank
                if price < cost:
                    best, cost, chosen = found, price, (centre, distance)
        assert best is not None
        centre, distance = chosen
        text.set_position(axes.transData.inverted().transform(centre))
        taken.append(best.padded(2))
        if distance > _DISTANCES[1]:
            anchor = axes.transData.transform(point)
            edge = np.clip(anchor, [best.x0, best.y0], [best.x1, best.y1])
            end = axes.transData.inverted().transform(edge)
            axes.plot([point[0], end[0]], [point[1], end[1]], color=QUIET, linewidth=0.7, zorder=0)


def _centre(anchor: np.ndarray, box: Bbox, distance: float, angle: float) -> tuple[float, float]:
    """Where a text's middle lies if its near edge is `distance` away in a direction."""
    dx, dy = math.cos(angle), math.sin(angle)
    return (
        anchor[0] + dx * distance + box.width / 2 * np.clip(dx * 2, -1, 1),
        anchor[1] + dy * distance + box.height / 2 * np.clip(dy * 2, -1, 1),
    )


def _overlap(box: Bbox, others: Sequence[Bbox]) -> float:
    """Square pixels that a box shares with others."""
    total = 0.0
    for other in others:
        width = min(box.x1, other.x1) - max(box.x0, other.x0)
        height = min(box.y1, other.y1) - max(box.y0, other.y0)
        if width > 0 and height > 0:
            total += width * height
    return total


def _outside(box: Bbox, frame: Bbox) -> float:
    inside = max(min(box.x1, frame.x1) - max(box.x0, frame.x0), 0) * max(
        min(box.y1, frame.y1) - max(box.y0, frame.y0), 0
    )
    return box.width * box.height - inside
