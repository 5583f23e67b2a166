"""Maps over an image: where segmentations flip, and how wide predicted filters are.

Letters: groups ``G``; image ``H W``, map of the layer ``h w``.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

_STEPS = 8  # of the color bar of flips, at most
_SPREAD_COLUMNS = 3


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
    _check_flips(image, maps, shifts)
    height, width = image.shape[:2]
    panels = 1 + len(maps)
    columns = panels if panels < 3 else ceil(panels / 2)
    figure, axes = _panels(panels, columns, width=4.2, aspect=height / width, title=0.5, bar=0.8)
    _show(axes[0], 'image', image)
    gray = (image.mean(axis=2) * 0.35 + 165).astype(np.uint8)
    edges = np.linspace(0, shifts, min(shifts, _STEPS) + 1).round().astype(int)
    norm = BoundaryNorm(edges + 0.5, 256)
    for axis, one in zip(axes[1:], maps, strict=True):
        _show(axis, one.title, gray, cmap='gray', vmin=0, vmax=255)
        # The light end of the map would not stand out from the faint image.
        drawn = axis.imshow(np.ma.masked_equal(one.counts, 0), cmap='plasma_r', norm=norm, interpolation='nearest')
    bar = figure.colorbar(drawn, ax=axes, label=f'flips in {shifts} shifts', pad=0.01)
    ranges = [f'{low + 1}' if high == low + 1 else f'{low + 1}–{high}' for low, high in itertools.pairwise(edges)]
    bar.set_ticks((edges[:-1] + edges[1:]) / 2 + 0.5, labels=ranges)
    bar.ax.tick_params(length=0)
    return figure


def plot_filter_spread(image: np.ndarray, spread: np.ndarray, filt_size: int, title: str = '') -> Figure:
    """Draw the width of the predicted filter at every position, a panel per channel group.

    Dark is narrow, where the layer keeps detail, and light is wide, where it smooths. The line in the color bar is the
    filter with equal taps.

    Args:
        image: What the network saw. Shape: H W 3, uint8, RGB.
        spread: Standard deviation of the position under the taps, in pixels of the layer's input; see
            `lab.gallery.filters.filter_spread`. Shape: G h w.
        filt_size: Taps along one axis.
        title: What stands above, such as the name of the layer.

    Raises:
        ValueError: If ``spread`` is not a map per group, or holds what no filter of this size has.
    """
    widest = (filt_size - 1) / sqrt(2)
    if spread.ndim != 3 or not len(spread):
        raise ValueError(f'spread must have shape (G, h, w), got {spread.shape}')
    if not ((spread >= 0) & (spread <= widest + 1e-6)).all():
        raise ValueError(
            f'spread must be between 0 and {widest:.3f} for {filt_size} taps, got {spread.min()} to {spread.max()}'
        )
    aspect = spread.shape[1] / spread.shape[2]
    figure, axes = _panels(1 + len(spread), _SPREAD_COLUMNS, width=2.6, aspect=aspect, title=0.3, bar=0.9, above=0.4)
    figure.suptitle(title, fontsize=12)
    _show(axes[0], 'image', image, fontsize=10)
    for group, (axis, values) in enumerate(zip(axes[1:], spread, strict=True)):
        drawn = _show(axis, f'group {group}', values, 10, cmap='cividis', vmin=spread.min(), vmax=spread.max())
    bar = figure.colorbar(drawn, ax=axes, label='spread of the filter / pixels', pad=0.02, aspect=40)
    bar.ax.axhline(uniform_spread(filt_size), color='white', linewidth=2)
    return figure


def uniform_spread(filt_size: int) -> float:
    """Return the spread of a filter with equal taps, in pixels.

    Example:
        >>> round(uniform_spread(3), 4)  # each axis has variance 2/3
        1.1547
    """
    return sqrt((filt_size**2 - 1) / 6)


def _check_flips(image: np.ndarray, maps: Sequence[FlipMap], shifts: int) -> None:
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


def _panels(
    count: int, columns: int, *, width: float, aspect: float, title: float, bar: float, above: float = 0
) -> tuple[Figure, list[Axes]]:
    """Return a figure with that many panels, of this width in inches, below titles and beside a color bar."""
    rows = ceil(count / columns)
    size = (width * columns + bar, rows * (width * aspect + title) + above)
    figure = Figure(figsize=size, layout='compressed')  # which leaves no gaps between pictures of one shape
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def _show(axis: Axes, title: str, pixels: np.ndarray, fontsize: int = 11, **look: object) -> AxesImage:
    axis.set_axis_off()
    axis.set_title(title, fontsize=fontsize)
    return axis.imshow(pixels, **look)
