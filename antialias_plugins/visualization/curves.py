"""Curves of networks (equivariance error, stability along a path, spectra), and the style that all figures share.

Letters: layers ``L``, shifts ``D``, frequencies ``F``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from antialias_plugins.palette import NETWORKS

MARKERS = ('o', 's', '^', 'D', 'v', 'P')
"""Of networks, in the order of `NETWORKS`: color is never all that tells two apart."""

ABOVE = {'frameon': False, 'fontsize': 9, 'loc': 'lower center', 'bbox_to_anchor': (0.5, 1)}
"""A legend above its axis."""

_COLUMNS, _TITLE = 3, 38  # of the panels of spectra, and letters in a line of their titles
_LABEL = 32  # letters in a line beside an axis
_LINES = ('-', '--', '-.', ':', '-', '--')


@dataclass(frozen=True)
class EquivarianceCurve:
    """One network.

    Attributes:
        title: What it is called.
        layers: Names of its layers, in the network's order.
        error: Relative error of each; NaN where it has no such layer. Shape: L.
        interval: Limits of the errors' intervals; the error twice for none. Shape: L 2.
    """

    title: str
    layers: tuple[str, ...]
    error: np.ndarray
    interval: np.ndarray


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


@dataclass(frozen=True)
class SiteSpectrum:
    """Spectra at one place where networks downsample, just before every ``stride``-th pixel is taken.

    Attributes:
        title: Name of the place.
        stride: The stride there.
        frequency: Frequencies in cycles per pixel, rising from 0 to at most 0.5. Shape: F. By network where they
            differ, as for maps of different sizes.
        power: Radially averaged power by network, the baseline first. Shape: F each.
    """

    title: str
    stride: int
    frequency: np.ndarray | Mapping[str, np.ndarray]
    power: Mapping[str, np.ndarray]

    @property
    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Frequencies and power by network."""
        shared = not isinstance(self.frequency, Mapping)
        return {name: (self.frequency if shared else self.frequency[name], it) for name, it in self.power.items()}


def plot_equivariance(curves: Sequence[EquivarianceCurve]) -> Figure:
    """Draw the equivariance error of every layer, a line per network; the band is the interval.

    Args:
        curves: One per network, the baseline first; at most six, with the same layers. The numbers are those of
            `antialias_plugins.metrics.equivariance_report`.

    Raises:
        ValueError: If there are no networks or too many, they have different layers, or numbers do not fit.
    """
    check_members('curves', curves, EquivarianceCurve)
    _check_count('curves must hold', curves)
    layers = curves[0].layers
    for curve in curves:
        if curve.layers != layers or not layers:
            raise ValueError(f'layers of {curve.title!r} must be those of {curves[0].title!r}, and not none')
        for name, shape in {'error': (len(layers),), 'interval': (len(layers), 2)}.items():
            if (found := getattr(curve, name).shape) != shape:
                raise ValueError(f'{name} of {curve.title!r} must have shape {shape}, got {found}')
    letters = max(map(len, layers))
    figure = Figure(figsize=(max(6, 0.27 * len(layers) + 1.4), 3 + 0.055 * letters), layout='constrained')
    axis = figure.subplots()
    positions = np.arange(len(layers))
    for curve, color, marker in zip(curves, NETWORKS, MARKERS, strict=False):
        axis.fill_between(positions, *(100 * curve.interval.T), color=color, alpha=0.12, linewidth=0)
        axis.plot(positions, 100 * curve.error, color=color, marker=marker, markersize=5, label=curve.title)
    axis.set_xticks(positions, layers, rotation=60, ha='right', rotation_mode='anchor', fontsize=8)
    axis.set(ylabel='equivariance error / %', xlim=(-0.5, len(layers) - 0.5))
    axis.set_ylim(bottom=0)
    open_frame(axis)
    axis.legend(**ABOVE, ncols=min(3, len(curves)))
    return figure


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
    check_members('strips', strips, StabilityStrip)
    _check_count('strips must hold', strips)
    shifts = np.arange(len(strips[0].probability))
    for strip in strips:
        for name in ('probability', 'top'):
            if (shape := getattr(strip, name).shape) != shifts.shape:
                raise ValueError(f'{name} of {strip.title!r} must have shape {shifts.shape}, got {shape}')
        if not ((strip.probability >= 0) & (strip.probability <= 1)).all():
            raise ValueError(f'probability of {strip.title!r} must be in [0, 1], got others')
    rows = len(strips)
    figure = Figure(figsize=(8, 3.1 + 0.45 * rows), layout='constrained')
    lines, *below = figure.subplots(1 + rows, 1, sharex=True, gridspec_kw={'height_ratios': [6] + [1] * rows})
    for strip, color, marker in zip(strips, NETWORKS, MARKERS, strict=False):
        style = {'marker': marker, 'markersize': 5}
        lines.plot(shifts, strip.probability, color=color, linewidth=1.4, label=strip.title, **style)
        other = ~strip.top.astype(bool)
        lines.plot(shifts[other], strip.probability[other], color='white', linestyle='', markeredgecolor=color, **style)
    lines.set(ylim=(-0.03, 1.03), ylabel='\n'.join(wrap(f'probability of “{class_name}”', _LABEL)))
    open_frame(lines)
    lines.legend(**ABOVE, ncols=min(3, rows))
    for axis, strip in zip(below, strips, strict=True):
        axis.set_yticks([0], [strip.title])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        image = axis.imshow(strip.probability[None], cmap='cividis', vmin=0, vmax=1, aspect='auto')
    below[-1].set_xlabel('diagonal shift / pixels')
    figure.colorbar(image, ax=below, label='probability', ticks=(0, 1), aspect=6 * rows, pad=0.01)
    return figure


def plot_spectra(sites: Sequence[SiteSpectrum]) -> Figure:
    """Draw a panel per place, on one scale; what lies in the shaded part beyond the new Nyquist frequency will alias.

    Args:
        sites: The places, in the network's order; of at most six networks in all. A panel names those of them that are
            missing there.

    Raises:
        ValueError: If there is no place or network, there are too many networks, or numbers do not fit.
    """
    check_members('sites', sites, SiteSpectrum)
    if not sites:
        raise ValueError('sites must hold at least one place, got none')
    # in the order of a place that has them all, if there is one
    fullest_first = sorted(sites, key=lambda site: -len(site.power))
    names = list(dict.fromkeys(name for site in fullest_first for name in site.power))
    _check_count('power must hold', names)
    for site in sites:
        if not site.power:
            raise ValueError(f'power of {site.title!r} must hold a network, got none')
        if site.stride < 2:
            raise ValueError(f'stride of {site.title!r} must be at least 2, got {site.stride}')
        for name, (frequency, power) in site.curves.items():
            if power.shape != frequency.shape:
                shapes = f'{power.shape} for {frequency.shape} frequencies'
                raise ValueError(f'power of {name!r} in {site.title!r} must have a number per frequency, got {shapes}')
    rows = ceil(len(sites) / _COLUMNS)
    columns = ceil(len(sites) / rows)
    figure = Figure(figsize=(3.2 * columns + 0.4, 2.7 * rows + 0.5), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(sites) :]:
        axis.set_axis_off()
    for axis, site in zip(axes.flat, sites, strict=False):
        nyquist = 0.5 / site.stride
        axis.axvspan(nyquist, 0.5, color='0.92', label='will alias')
        axis.axvline(nyquist, color='0.4', linewidth=1)
        for name, color, line in zip(names, NETWORKS, _LINES, strict=False):
            if name in site.power:
                axis.semilogy(*site.curves[name], line, color=color, linewidth=1.6, label=name)
        axis.set(xlim=(0, 0.5))
        missing = ', '.join(name for name in names if name not in site.power)
        stride = f'stride {site.stride}' + (f', not in {missing}' if missing else '')
        axis.set_title('\n'.join([*wrap(site.title, _TITLE), stride]), fontsize=9)
        axis.spines[['top', 'right']].set_visible(False)
        axis.tick_params(labelsize=8)
    for axis in axes.flat[len(sites) - columns : len(sites)]:  # nothing stands below these
        axis.tick_params(labelbottom=True)
    figure.supxlabel('frequency / cycles per pixel', fontsize=10)
    figure.supylabel('power', fontsize=10)
    handles = {}
    for axis in axes.flat:
        found, labels = axis.get_legend_handles_labels()
        handles |= dict(zip(labels, found, strict=True))
    labels = ['will alias', *names]
    lines = [handles[label] for label in labels]
    figure.legend(lines, labels, loc='outside upper center', ncols=min(4, len(labels)), frameon=False, fontsize=9)
    return figure


def open_frame(axis: Axes) -> None:
    """Draw a faint grid, and no frame above and to the right."""
    axis.grid(alpha=0.25)
    axis.spines[['top', 'right']].set_visible(False)


def check_members(name: str, members: Sequence[object], kind: type) -> None:
    """Raise unless a list or a tuple holds objects of one class only; it may be empty."""
    if not isinstance(members, (list, tuple)) or not all(isinstance(member, kind) for member in members):
        raise ValueError(f'{name} must be a list of {kind.__name__}, got {members!r:.200}')


def _check_count(rule: str, networks: Sequence[object]) -> None:
    if not 1 <= len(networks) <= len(NETWORKS):
        raise ValueError(f'{rule} one to {len(NETWORKS)} networks, got {len(networks)}')
