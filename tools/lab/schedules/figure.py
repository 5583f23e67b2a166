"""Learning rates over a training, on top of those that were published.

`T` is the number of iterations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from antialias_plugins.visualization.style import GRAY, NETWORKS

_COLUMNS, _POINTS = 3, 1000


@dataclass(frozen=True)
class ScheduleCurves:
    """The curves of one panel.

    Attributes:
        title: What trains.
        rates: Learning rates, by the part of the network that learns at them. Shape of each: T.
        published: Published rates, by part. Shape of each: any number of iterations.
    """

    title: str
    rates: Mapping[str, np.ndarray]
    published: Mapping[str, np.ndarray] = field(default_factory=dict)


def plot_learning_rates(panels: Sequence[ScheduleCurves]) -> Figure:
    """Draw a panel per training: a broad gray line for each published rate, a thin colored one for ours on it.

    Args:
        panels: The trainings.

    Raises:
        ValueError: If there is no panel, or one has no rates or more than six.
    """
    if not panels:
        raise ValueError('panels must hold at least one training, got none')
    for panel in panels:
        if not 1 <= len(panel.rates) <= len(NETWORKS):
            raise ValueError(f'rates of {panel.title!r} must be one to {len(NETWORKS)}, got {len(panel.rates)}')
    rows = ceil(len(panels) / _COLUMNS)
    columns = ceil(len(panels) / rows)
    figure = Figure(figsize=(3.3 * columns + 0.4, 2.4 * rows + 0.4), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, panel)
    figure.supxlabel('iteration / 1000', fontsize=10)
    figure.supylabel('learning rate', fontsize=10)
    return figure


def _draw(axis: Axes, panel: ScheduleCurves) -> None:
    for index, rates in enumerate(panel.published.values()):
        axis.plot(*_thinned(rates), color=GRAY, alpha=0.45, linewidth=5, label='_' * (index > 0) + 'published')
    for (name, rates), color in zip(panel.rates.items(), NETWORKS, strict=False):
        axis.plot(*_thinned(rates), color=color, linewidth=1.4, label=fill(name, 24))
    axis.set_title(fill(panel.title, 40), fontsize=9)
    axis.set(xlim=(0, None), ylim=(0, None))
    axis.spines[['top', 'right']].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.legend(frameon=False, fontsize=8)


def _thinned(rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Enough iterations, in thousands, to draw a line through, and their rates; the first and the last are there."""
    iterations = np.unique(np.linspace(0, len(rates) - 1, _POINTS).round().astype(int))
    return iterations / 1000, rates[iterations]
