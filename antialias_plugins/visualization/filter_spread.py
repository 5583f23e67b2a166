"""How wide the filters are that an adaptive layer predicts.

Letters: groups ``G``; image ``H W``, map of the layer ``h w``.
"""

from math import ceil, sqrt

import numpy as np
from matplotlib.figure import Figure

_COLUMN_WIDTH = 2.6  # in inches
_COLUMNS = 3


def plot_filter_spread(image: np.ndarray, spread: np.ndarray, filt_size: int, title: str = '') -> Figure:
    """Draw the width of the predicted filter at every position, a panel per channel group.

    Dark is narrow, where the layer keeps detail, and light is wide, where it smooths. The line in the color bar is the
    filter with equal taps.

    Args:
        image: What the network saw. Shape: H W 3, uint8, RGB.
        spread: Standard deviation of the position under the taps, in pixels of the layer's input; see
            `antialias_plugins.explorer.filter_spread`. Shape: G h w.
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
    rows = ceil((1 + len(spread)) / _COLUMNS)
    size = _COLUMN_WIDTH * _COLUMNS + 0.9, rows * (_COLUMN_WIDTH * spread.shape[1] / spread.shape[2] + 0.3) + 0.4
    figure = Figure(figsize=size, layout='constrained')
    figure.suptitle(title, fontsize=12)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for axis in axes:
        axis.set_axis_off()
    axes = list(figure.axes)
    axes[0].imshow(image)
    axes[0].set_title('image', fontsize=10)
    limits = {'vmin': spread.min(), 'vmax': spread.max()}
    for group, (axis, values) in enumerate(zip(axes[1:], spread, strict=False)):
        drawn = axis.imshow(values, cmap='cividis', **limits)
        axis.set_title(f'group {group}', fontsize=10)
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
