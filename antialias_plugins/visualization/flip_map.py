"""Where a segmentation is not stable under shifts."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

_COLUMN_WIDTH = 4.2  # in inches
_LARGEST_ASPECT = 5  # of all panels in one row; beyond it they take two
_STEPS = 8  # of the color bar, at most


@dataclass(frozen=True)
class FlipMap:
    """One network's map.

    Attributes:
        title: What stands above it.
        counts: At how many shifts each pixel has another class than without shift. Shape: H W, integer.
    """

    title: str
    counts: np.ndarray


def plot_flip_map(image: np.ndarray, maps: Sequence[FlipMap], shifts: int) -> Figure:
    """Draw a map per network over the faint image: at how many shifts each pixel flips.

    Args:
        image: The pixels that the maps show. Shape: H W 3, uint8, RGB.
        maps: One per network.
        shifts: Number of shifts that were compared with the unshifted image, at least 1.

    Raises:
        ValueError: If there is no map, a map has not the size of the image, or a count is outside 0 to ``shifts``.
    """
    _check(image, maps, shifts)
    height, width = image.shape[:2]
    panels = 1 + len(maps)
    columns = panels if panels * width <= _LARGEST_ASPECT * height else ceil(panels / 2)
    rows = ceil(panels / columns)
    size = (_COLUMN_WIDTH * columns + 0.8, rows * (_COLUMN_WIDTH * height / width + 0.5))
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).flat[:panels]
    for axis in figure.axes[panels:]:
        axis.remove()
    _show(axes[0], 'image', image)
    gray = (image.mean(axis=2) * 0.35 + 165).astype(np.uint8)
    edges = np.linspace(0, shifts, min(shifts, _STEPS) + 1).round().astype(int)
    norm = BoundaryNorm(edges + 0.5, 256)
    for axis, one in zip(axes[1:], maps, strict=True):
        _show(axis, one.title, gray, cmap='gray', vmin=0, vmax=255)
        # The light end of the map would not stand out from the faint image.
        drawn = axis.imshow(np.ma.masked_equal(one.counts, 0), cmap='plasma_r', norm=norm, interpolation='nearest')
    bar = figure.colorbar(drawn, ax=list(axes), label=f'flips in {shifts} shifts', pad=0.01)
    ranges = [f'{low + 1}' if high == low + 1 else f'{low + 1}–{high}' for low, high in itertools.pairwise(edges)]
    bar.set_ticks((edges[:-1] + edges[1:]) / 2 + 0.5, labels=ranges)
    bar.ax.tick_params(length=0)
    return figure


def _check(image: np.ndarray, maps: Sequence[FlipMap], shifts: int) -> None:
    if not maps:
        raise ValueError('maps must hold at least one network, got none')
    if shifts < 1:
        raise ValueError(f'shifts must be at least 1, got {shifts}')
    for one in maps:
        if one.counts.shape != image.shape[:2]:
            size, shape = image.shape[:2], one.counts.shape
            raise ValueError(f'counts of {one.title!r} must have the size of the image {size}, got shape {shape}')
        if not 0 <= one.counts.min() <= one.counts.max() <= shifts:
            raise ValueError(
                f'counts of {one.title!r} must be between 0 and {shifts}, got {one.counts.min()} to {one.counts.max()}'
            )


def _show(axis: Axes, title: str, pixels: np.ndarray, **look: object) -> None:
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=11)
    axis.spines[:].set_visible(False)
    axis.imshow(pixels, **look)
