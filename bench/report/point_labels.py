"""Labels beside points that hide neither points nor each other."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from bench.report.figure_style import QUIET

_DISTANCES = (9, 13, 18, 26, 36, 48, 62, 80)
_STRAYED = 30  # what a pixel weighs that a label is nearer to another point, where one of distance weighs 10
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
    taken = np.array([box.extents for box in obstacles])
    anchors = axes.transData.transform(points)
    for number, (text, point, anchor) in enumerate(zip(texts, points, anchors, strict=True)):
        box = text.get_window_extent()
        places = [
            (_centre(anchor, box, distance * scale, math.radians(angle)), distance, rank)
            for distance in _DISTANCES
            for rank, angle in enumerate(_ANGLES)
        ]
        half = np.array([box.width, box.height]) / 2
        centres = np.array([centre for centre, _, _ in places])
        boxes = np.hstack([centres - half, centres + half])
        covered = _shared(boxes, taken).sum(axis=1)
        outside = box.width * box.height - _shared(boxes, np.array([frame.extents]))[:, 0]
        far = np.array([10 * distance + rank for _, distance, rank in places])
        # A label that is nearer to another point is read as that one's.
        strayed = _distances(boxes, anchors[number]) - _nearest(boxes, np.delete(anchors, number, axis=0))
        best = int(np.argmin(8 * covered + 50 * outside + far + _STRAYED * np.clip(strayed, 0, None)))
        inverted = axes.transData.inverted()
        text.set_position(inverted.transform(centres[best]))
        taken = np.vstack([taken, boxes[best] + [-2, -2, 2, 2]])
        if places[best][1] > _DISTANCES[1]:
            edge = np.clip(anchor, boxes[best, :2], boxes[best, 2:])
            end = inverted.transform(edge)
            axes.plot([point[0], end[0]], [point[1], end[1]], color=QUIET, linewidth=0.7, zorder=0)


def _centre(anchor: np.ndarray, box: Bbox, distance: float, angle: float) -> tuple[float, float]:
    """Where a text's middle lies if its near edge is `distance` away in a direction."""
    dx, dy = math.cos(angle), math.sin(angle)
    return (
        anchor[0] + dx * distance + box.width / 2 * np.clip(dx * 2, -1, 1),
        anchor[1] + dy * distance + box.height / 2 * np.clip(dy * 2, -1, 1),
    )


def _distances(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Pixels from boxes `[n, 4]` to a point: float `[n]`, 0 for those that hold it."""
    return np.hypot(*(np.clip(point, boxes[:, :2], boxes[:, 2:]) - point).T)


def _nearest(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Pixels from boxes `[n, 4]` to the nearest of points `[m, 2]`: float `[n]`, infinite without any."""
    return np.min([np.full(len(boxes), np.inf), *(_distances(boxes, point) for point in points)], axis=0)


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Square pixels that boxes `[n, 4]` (left, bottom, right, top) share with others `[m, 4]`: float `[n, m]`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=-1)
