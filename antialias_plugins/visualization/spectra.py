"""What a network's maps hold above the frequency that survives subsampling.

Letters: frequencies ``F``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from antialias_plugins.visualization.style import NETWORKS

_COLUMNS = 3
_LINES = ('-', '--', '-.', ':', '-', '--')


@dataclass(frozen=True)
class SiteSpectrum:
    """Spectra at one place where networks downsample, just before every ``stride``-th pixel is taken.

    Attributes:
        title: Name of the place.
        stride: The stride there.
        frequency: Frequencies in cycles per pixel, rising from 0 to at most 0.5. Shape: F.
        power: Radially averaged power by network, the baseline first. Shape: F each.
    """

    title: str
    stride: int
    frequency: np.ndarray
    power: dict[str, np.ndarray]


def plot_spectra(sites: Sequence[SiteSpectrum]) -> Figure:
    """Draw a panel per place; what lies in the shaded part beyond the new Nyquist frequency will alias.

    Args:
        sites: The places, in the network's order. All hold the same networks, at most six.

    Raises:
        ValueError: If there is no place, the places hold different networks, or numbers do not fit.
    """
    _check(sites)
    rows = ceil(len(sites) / _COLUMNS)
    columns = ceil(len(sites) / rows)
    figure = Figure(figsize=(3.2 * columns + 0.4, 2.5 * rows + 0.5), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axis in axes.flat[len(sites) :]:
        axis.set_axis_off()
    for axis, site in zip(axes.flat, sites, strict=False):
        _draw(axis, site)
    for axis in axes.flat[len(sites) - columns : len(sites)]:  # nothing stands below these
        axis.tick_params(labelbottom=True)
    figure.supxlabel('frequency / cycles per pixel', fontsize=10)
    figure.supylabel('power', fontsize=10)
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc='outside upper center', ncols=len(names), frameon=False, fontsize=9)
    return figure


def _check(sites: Sequence[SiteSpectrum]) -> None:
    if not sites:
        raise ValueError('sites must hold at least one place, got none')
    names = list(sites[0].power)
    if not 1 <= len(names) <= len(NETWORKS):
        raise ValueError(f'power must hold one to {len(NETWORKS)} networks, got {len(names)}')
    for site in sites:
        if list(site.power) != names:
            raise ValueError(f'power of {site.title!r} must hold the networks {names}, got {list(site.power)}')
        if site.stride < 2:
            raise ValueError(f'stride of {site.title!r} must be at least 2, got {site.stride}')
        for name, power in site.power.items():
            if power.shape != site.frequency.shape:
                shapes = f'{power.shape} for {site.frequency.shape} frequencies'
                raise ValueError(f'power of {name!r} in {site.title!r} must have a number per frequency, got {shapes}')


def _draw(axis: Axes, site: SiteSpectrum) -> None:
    nyquist = 0.5 / site.stride
    axis.axvspan(nyquist, 0.5, color='0.92', label='will alias')
    axis.axvline(nyquist, color='0.4', linewidth=1)
    for (name, power), color, line in zip(site.power.items(), NETWORKS, _LINES, strict=False):
        axis.semilogy(site.frequency, power, line, color=color, linewidth=1.6, label=name)
    axis.set(xlim=(0, 0.5))
    axis.set_title(f'{site.title}, stride {site.stride}', fontsize=9)
    axis.spines[['top', 'right']].set_visible(False)
    axis.tick_params(labelsize=8)
