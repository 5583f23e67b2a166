"""Figures from numbers; nothing computes here. Needs matplotlib."""

from antialias_plugins.visualization.curves import (
    EquivarianceCurve,
    SiteSpectrum,
    StabilityStrip,
    plot_equivariance,
    plot_spectra,
    plot_stability,
)
from antialias_plugins.visualization.maps import FlipMap, plot_filter_spread, plot_flip_map
from antialias_plugins.visualization.pareto import PUBLISHED_RESULTS, Result, pareto_front, plot_pareto

__all__ = [
    'PUBLISHED_RESULTS',
    'EquivarianceCurve',
    'FlipMap',
    'Result',
    'SiteSpectrum',
    'StabilityStrip',
    'pareto_front',
    'plot_equivariance',
    'plot_filter_spread',
    'plot_flip_map',
    'plot_pareto',
    'plot_spectra',
    'plot_stability',
]
