"""How sure networks are of one class while the image moves.

Letters: shifts ``D``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from antialias_plugins.visualization.style import MARKERS, NETWORKS


@dataclass(frozen=True)
class StabilityStrip:
    """One network along a path.

    Attributes:
        title: What it is called.
        probability: Probability of the watched class at each shift. Shape: D.
        top: Whether the watched class is the top class there. Shape: D, bool.
    """

    title: str
    probability: np.ndarray
    top: np.ndarray


def plot_stability(strips: Sequence[StabilityStrip], class_name: str) -> Figure:
    """Draw the probability of one class over the diagonal shift: as lines, and as a strip per network.

    A hollow marker says that another class is the top one.

    Args:
        strips: One per network, the baseline first; at most six. The numbers are those of
            `antialias_plugins.metrics.diagonal_sweep`: ``probability`` and ``probability > best_other``.
        class_name: The watched class.

    Raises:
        ValueError: If there are no strips or too many, they differ in length, or a number is no probability.
    """
    _check(strips)
    rows = len(strips)
    figure = Figure(figsize=(8, 3.1 + 0.45 * rows), layout='constrained')
    axes = figure.subplots(1 + rows, 1, sharex=True, gridspec_kw={'height_ratios': [6] + [1] * rows})
    for strip, color, marker in zip(strips, NETWORKS, MARKERS, strict=False):
        _draw_line(axes[0], strip, color, marker)
    axes[0].set(ylim=(-0.03, 1.03), ylabel=f'probability of “{class_name}”')
    axes[0].grid(alpha=0.25)
    axes[0].spines[['top', 'right']].set_visible(False)
    axes[0].legend(frameon=False, fontsize=9, ncols=rows, loc='lower center', bbox_to_anchor=(0.5, 1))
    for axis, strip in zip(axes[1:], strips, strict=True):
        image = _draw_strip(axis, strip)
    axes[-1].set_xlabel('diagonal shift / pixels')
    figure.colorbar(image, ax=axes[1:], label='probability', ticks=(0, 1), aspect=6 * rows, pad=0.01)
    return figure


def _check(strips: Sequence[StabilityStrip]) -> None:
    if not 1 <= len(strips) <= len(NETWORKS):
        raise ValueError(f'strips must hold one to {len(NETWORKS)} networks, got {len(strips)}')
    length = len(strips[0].probability)
    for strip in strips:
        for name in ('probability', 'top'):
            if getattr(strip, name).shape != (length,):
                shape = getattr(strip, name).shape
                raise ValueError(f'{name} of {strip.title!r} must have shape ({length},), got {shape}')
        if not ((strip.probability >= 0) & (strip.probability <= 1)).all():
            raise ValueError(f'probability of {strip.title!r} must be in [0, 1], got others')


def _draw_line(axis: Axes, strip: StabilityStrip, color: str, marker: str) -> None:
    shifts = np.arange(len(strip.probability))
    axis.plot(shifts, strip.probability, color=color, marker=marker, markersize=5, linewidth=1.4, label=strip.title)
    other = ~strip.top.astype(bool)
    axis.plot(shifts[other], strip.probability[other], marker, color='white', markeredgecolor=color, markersize=5)


def _draw_strip(axis: Axes, strip: StabilityStrip):
    axis.set_yticks([0], [strip.title])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return axis.imshow(strip.probability[None], cmap='cividis', vmin=0, vmax=1, aspect='auto')
