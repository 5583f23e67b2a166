"""How far maps are from moving with the image, through the depth of networks.

Letters: layers ``L``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from antialias_plugins.visualization.style import MARKERS, NETWORKS


@dataclass(frozen=True)
class EquivarianceCurve:
    """One network.

    Attributes:
        title: What it is called.
        layers: Names of its layers, in the network's order.
        error: Relative error of each. Shape: L.
        interval: Half-widths of the errors' intervals; zeros for none. Shape: L.
    """

    title: str
    layers: tuple[str, ...]
    error: np.ndarray
    interval: np.ndarray


def plot_equivariance(curves: Sequence[EquivarianceCurve]) -> Figure:
    """Draw the equivariance error of every layer, a line per network; the band is the interval.

    Args:
        curves: One per network, the baseline first; at most six, with the same layers. The numbers are those of
            `antialias_plugins.metrics.equivariance_report`.

    Raises:
        ValueError: If there are no networks or too many, they have different layers, or numbers do not fit.
    """
    _check(curves)
    layers = curves[0].layers
    figure = Figure(figsize=(max(6, 0.27 * len(layers) + 1.4), 4.2), layout='constrained')
    axis = figure.subplots()
    positions = np.arange(len(layers))
    for curve, color, marker in zip(curves, NETWORKS, MARKERS, strict=False):
        low, high = 100 * (curve.error - curve.interval), 100 * (curve.error + curve.interval)
        axis.fill_between(positions, low, high, color=color, alpha=0.12, linewidth=0)
        axis.plot(positions, 100 * curve.error, color=color, marker=marker, markersize=5, label=curve.title)
    axis.set_xticks(positions, layers, rotation=60, ha='right', rotation_mode='anchor', fontsize=8)
    axis.set(ylabel='equivariance error / %', xlim=(-0.5, len(layers) - 0.5))
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.spines[['top', 'right']].set_visible(False)
    axis.legend(frameon=False, fontsize=9, ncols=len(curves), loc='lower center', bbox_to_anchor=(0.5, 1))
    return figure


def _check(curves: Sequence[EquivarianceCurve]) -> None:
    if not 1 <= len(curves) <= len(NETWORKS):
        raise ValueError(f'curves must hold one to {len(NETWORKS)} networks, got {len(curves)}')
    layers = curves[0].layers
    for curve in curves:
        if curve.layers != layers or not layers:
            raise ValueError(f'layers of {curve.title!r} must be those of {curves[0].title!r}, and not none')
        for name in ('error', 'interval'):
            if getattr(curve, name).shape != (len(layers),):
                shape = getattr(curve, name).shape
                raise ValueError(f'{name} of {curve.title!r} must have a number per layer, got {shape}')
