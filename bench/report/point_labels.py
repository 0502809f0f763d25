"""Labels beside points that hide neither points nor each other."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from bench.report.figure_style import QUIET

_DISTANCES = np.array([9, 13, 18, 26, 36, 48, 62, 80])
_STRAYED = 30  # what a pixel weighs that a label is nearer to another point, where one of distance weighs 10
_ANGLES = (20, 160, -20, -160, 60, 120, -60, -120, 0, 180, 90, -90)
_DIRECTIONS = np.array([(math.cos(angle), math.sin(angle)) for angle in map(math.radians, _ANGLES)])


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
        half = np.array([box.width, box.height]) / 2
        # Where its middle lies if its near edge is at each distance in each direction.
        moves = _DIRECTIONS * (_DISTANCES * scale)[:, None, None]
        centres = (anchor + moves + half * np.clip(2 * _DIRECTIONS, -1, 1)).reshape(-1, 2)
        boxes = np.hstack([centres - half, centres + half])
        covered = _shared(boxes, taken).sum(axis=1)
        outside = box.width * box.height - _shared(boxes, np.array([frame.extents]))[:, 0]
        far = np.add.outer(10 * _DISTANCES, np.arange(len(_ANGLES))).ravel()
        # A label that is nearer to another point is read as that one's.
        others = [_distances(boxes, other) for other in np.delete(anchors, number, axis=0)]
        strayed = _distances(boxes, anchor) - np.min(others, axis=0, initial=np.inf)
        best = int(np.argmin(8 * covered + 50 * outside + far + _STRAYED * np.clip(strayed, 0, None)))
        inverted = axes.transData.inverted()
        text.set_position(inverted.transform(centres[best]))
        taken = np.vstack([taken, boxes[best] + [-2, -2, 2, 2]])
        if _DISTANCES[best // len(_ANGLES)] > _DISTANCES[1]:
            edge = np.clip(anchor, boxes[best, :2], boxes[best, 2:])
            end = inverted.transform(edge)
            axes.plot([point[0], end[0]], [point[1], end[1]], color=QUIET, linewidth=0.7, zorder=0)


def _distances(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Pixels from boxes `[n, 4]` to a point: float `[n]`, 0 for those that hold it."""
    return np.hypot(*(np.clip(point, boxes[:, :2], boxes[:, 2:]) - point).T)


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Square pixels that boxes `[n, 4]` (left, bottom, right, top) share with others `[m, 4]`: float `[n, m]`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=-1)
