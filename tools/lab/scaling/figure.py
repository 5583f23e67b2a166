"""Losses of the same training on several numbers of processes, and how far they are apart.

`T` is the number of iterations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from antialias_plugins.visualization.style import BLUE, GRAY, ORANGE, VERMILION

_COLORS, _STYLES = (BLUE, VERMILION, ORANGE), ('-', '--', ':')
# Differences of 0 are drawn at the bottom.
_LEAST = 1e-9


@dataclass(frozen=True)
class ProcessCurves:
    """The curves of one network.

    Attributes:
        title: Its name.
        losses: Losses by the number of processes, 1 among them, for each variant of the training. Shape of each: T.
    """

    title: str
    losses: Mapping[str, Mapping[int, np.ndarray]]


def plot_processes(panels: Sequence[ProcessCurves]) -> Figure:
    """Draw a column per network: a row of losses for each variant, and one of relative differences.

    The losses of one process are a broad gray line, on which the others lie.

    Args:
        panels: The networks, all with the same variants.

    Raises:
        ValueError: If there is no network, their variants differ, or one lacks the losses of one process.
    """
    if not panels:
        raise ValueError('panels must hold at least one network, got none')
    variants = list(panels[0].losses)
    for panel in panels:
        if list(panel.losses) != variants:
            raise ValueError(f'losses of {panel.title!r} must be of {variants}, got {list(panel.losses)}')
        for variant, losses in panel.losses.items():
            if 1 not in losses:
                raise ValueError(f'losses of {panel.title!r}, {variant}, must have those of one process, got none')
    rows = len(variants) + 1
    figure = Figure(figsize=(3.2 * len(panels) + 0.6, 2.1 * rows + 0.4), layout='constrained')
    axes = figure.subplots(rows, len(panels), squeeze=False, sharex=True, sharey='row')
    for column, panel in zip(axes.T, panels, strict=True):
        column[0].set_title(panel.title, fontsize=10)
        for axis, variant in zip(column[:-1], variants, strict=True):
            _draw_losses(axis, panel.losses[variant])
        _draw_differences(column[-1], panel.losses)
    for axis, label in zip(axes[:, 0], [*(f'loss,\n{name}' for name in variants), 'relative difference'], strict=True):
        axis.set_ylabel(label, fontsize=9)
    for axis in axes[:-1, 0]:
        axis.set_ylim(0, None)  # of its row, once all is drawn
    for axis in axes.flat:
        axis.spines[['top', 'right']].set_visible(False)
        axis.tick_params(labelsize=8)
    for axis in axes[:, 0]:
        axis.legend(frameon=False, fontsize=7)
    figure.supxlabel('iteration', fontsize=10)
    return figure


def _draw_losses(axis: Axes, losses: Mapping[int, np.ndarray]) -> None:
    axis.plot(*_points(losses[1]), color=GRAY, alpha=0.45, linewidth=5, label='1 process')
    for index, (count, values) in enumerate(_others(losses)):
        style = {'color': _COLORS[index], 'linestyle': _STYLES[index]}
        axis.plot(*_points(values), **style, linewidth=1.4, label=f'{count} processes')


def _draw_differences(axis: Axes, losses: Mapping[str, Mapping[int, np.ndarray]]) -> None:
    for index, (variant, curves) in enumerate(losses.items()):
        for color, (count, values) in zip(_COLORS, _others(curves), strict=False):
            differences = np.maximum(np.abs(values / curves[1] - 1), _LEAST)
            style = {'color': color, 'linestyle': _STYLES[index]}
            axis.plot(*_points(differences), **style, linewidth=1.2, label=f'{count}, {variant}')
    axis.set_yscale('log')
    axis.set_ylim(_LEAST / 2, 10)


def _others(losses: Mapping[int, np.ndarray]) -> list[tuple[int, np.ndarray]]:
    return [(count, losses[count]) for count in sorted(losses) if count != 1]


def _points(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(1, len(values) + 1), values
