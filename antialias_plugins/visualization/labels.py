"""Labels of points that do not cover each other, and the front of the points that nothing beats."""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

# In typographic points: diameter of what stands for a point, how far labels may be from it, and what is left free.
_POINT, _REACH, _CLEARANCE = 9, (5, 12, 20, 30, 42, 56, 72, 90), 1
_ANGLES = np.pi / 8 * np.arange(16) + 3 * np.pi / 4
_WAYS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)  # from the upper left on
_NEAR, _LETTERS = 4 * len(_WAYS), 34  # places of labels that may be left out, and letters in a line


def draw_front(axis: Axes, points: Sequence[tuple[float, float]], *, less_is_better: bool = False) -> None:
    """Draw the front of the points that no other one beats, and shade what it beats.

    The line goes on to the limits of the axis, so that the front of a single point is seen as well. It is to be drawn
    when the limits are final.

    Args:
        axis: Where to draw; more is better on its vertical axis.
        points: The front, from left to right.
        less_is_better: On the horizontal axis.
    """
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    xs, ys = zip(*points, strict=True)
    # Along the front the step comes before each point where less is better, and behind it where more is.
    if less_is_better:
        corners, end = zip(xs, (bottom, *ys), strict=False), (right, ys[-1])
    else:
        corners, end = zip((left, *xs), ys, strict=False), (xs[-1], bottom)
    steps = [place for pair in zip(corners, points, strict=True) for place in pair] + [end]
    axis.fill_between(*zip(*steps, strict=True), bottom, color='0.5', alpha=0.08, linewidth=0, zorder=0)
    axis.plot(*zip(*steps, strict=True), color='0.25', linewidth=1.4, zorder=1, label='front')
    axis.set(xlim=(left, right), ylim=(bottom, top))


Label = tuple[str, float, float]
"""Text of a point, and where it is."""


def label_points(axis: Axes, labels: Sequence[Label], optional: Sequence[Label] = ()) -> None:
    """Name points, each label where it covers nothing that is drawn and no other label; far ones with a thin line.

    Every label is put into the nearest free place, in the order in which they are given; if there is none in reach,
    where it covers least. It is to be called last, when limits and legend are final.

    Args:
        axis: Where the points are drawn, with lines or markers.
        labels: What must be named.
        optional: What is named where there is room near it.
    """
    figure = axis.figure
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()  # so that the axis stands where it will
    scale = figure.dpi / 72
    inside = axis.get_window_extent(renderer).extents
    taken = _drawn(axis, scale)
    if axis.get_legend() is not None:
        taken = np.vstack([taken, axis.get_legend().get_window_extent(renderer).extents])
    for text, x, y in (*labels, *optional):
        line = {'arrowstyle': '-', 'color': '0.4', 'linewidth': 0.6, 'shrinkA': 0, 'shrinkB': 0.5 * _POINT}
        style = {'fontsize': 8, 'ha': 'center', 'va': 'center', 'zorder': 4, 'arrowprops': line}
        note = axis.annotate(fill(text, _LETTERS), (x, y), (0, 0), textcoords='offset points', **style)
        note.set_path_effects([withStroke(linewidth=2, foreground='white', alpha=0.8)])
        note.set_in_layout(False)
        size = Text.get_window_extent(note, renderer).size + 2 * _CLEARANCE * scale
        # From the nearest on, in typographic points from the point.
        places = np.concatenate([_WAYS * (reach + size / scale / 2) for reach in _REACH])
        boxes = _boxes(axis.transData.transform((x, y)) + places * scale, size)
        outside = size.prod() - _shared(boxes, inside[None]).sum(1)
        covered = 9 * outside + _shared(boxes, taken).sum(1)
        best = int(np.argmin(covered.round(3)))  # the first of equals
        if (text, x, y) not in labels and (covered[best] > 1 or best >= _NEAR):
            note.remove()
            continue
        note.xyann = tuple(places[best])
        note.arrow_patch.set_visible(best >= len(_WAYS))
        taken = np.vstack([taken, boxes[best]])


def _drawn(axis: Axes, scale: float) -> np.ndarray:
    """What the markers and lines of an axis cover, in pixels; lines as rows of small boxes. Shape: N 4."""
    points = [collection.get_offsets() for collection in axis.collections if isinstance(collection, PathCollection)]
    paths = [line.get_xydata() for line in axis.lines]
    for collection in axis.collections:
        if isinstance(collection, LineCollection):  # of error bars
            paths += collection.get_segments()
    points += [line.get_xydata() for line in axis.lines if line.get_marker() not in ('None', None, '')]
    steps = [np.empty((0, 2))]
    for path in paths:
        for start, end in pairwise(axis.transData.transform(path)):
            count = int(np.hypot(*(end - start)) / (2 * scale)) + 2
            steps.append(np.linspace(start, end, count))
    middles = axis.transData.transform(np.concatenate(points))
    return np.vstack([_boxes(middles, _POINT * scale), _boxes(np.concatenate(steps), 2 * scale)])


def _boxes(middles: np.ndarray, size: np.ndarray | float) -> np.ndarray:
    """Boxes of one size as left, bottom, right and top. Shape: N 2 → N 4."""
    return np.hstack([middles - size / 2, middles + size / 2])


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area of what each pair of boxes shares. Shape: N 4, M 4 → N M."""
    ends = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - np.maximum(boxes[:, None, :2], others[None, :, :2])
    return ends.clip(0).prod(2)
