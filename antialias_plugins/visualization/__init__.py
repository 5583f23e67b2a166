"""Figures from numbers; nothing computes here. Needs matplotlib."""

from antialias_plugins.visualization.curves import (
    EquivarianceCurve,
    SiteSpectrum,
    StabilityStrip,
    plot_equivariance,
    plot_spectra,
    plot_stability,
)
from antialias_plugins.visualization.learning_rates import ScheduleCurves, plot_learning_rates
from antialias_plugins.visualization.maps import FlipMap, plot_filter_spread, plot_flip_map
from antialias_plugins.visualization.pareto import PUBLISHED_RESULTS, Result, pareto_front, plot_pareto
from antialias_plugins.visualization.process_curves import ProcessCurves, plot_processes
from antialias_plugins.visualization.shift_flips import FlipPanel, plot_shift_flips
from antialias_plugins.visualization.trade_offs import MethodFigures, Panel, plot_trade_offs

__all__ = [
    'PUBLISHED_RESULTS',
    'EquivarianceCurve',
    'FlipMap',
    'FlipPanel',
    'MethodFigures',
    'Panel',
    'ProcessCurves',
    'Result',
    'ScheduleCurves',
    'SiteSpectrum',
    'StabilityStrip',
    'pareto_front',
    'plot_equivariance',
    'plot_filter_spread',
    'plot_flip_map',
    'plot_learning_rates',
    'plot_pareto',
    'plot_processes',
    'plot_shift_flips',
    'plot_spectra',
    'plot_stability',
    'plot_trade_offs',
]
