"""Figures from numbers; nothing computes here. Needs matplotlib."""

from antialias_plugins.visualization.curves import (
    EquivarianceCurve,
    SiteSpectrum,
    StabilityStrip,
    plot_equivariance,
    plot_spectra,
    plot_stability,
)
from antialias_plugins.visualization.pareto import PUBLISHED_RESULTS, Result, pareto_front, plot_pareto

__all__ = [
    'PUBLISHED_RESULTS',
    'EquivarianceCurve',
    'Result',
    'SiteSpectrum',
    'StabilityStrip',
    'pareto_front',
    'plot_equivariance',
    'plot_pareto',
    'plot_spectra',
    'plot_stability',
]


def __dir__() -> list[str]:
    return __all__
