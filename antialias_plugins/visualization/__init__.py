"""Figures from numbers; nothing computes here. Needs matplotlib."""

from antialias_plugins.visualization.baselines import PUBLISHED_RESULTS, Result
from antialias_plugins.visualization.equivariance import EquivarianceCurve, plot_equivariance
from antialias_plugins.visualization.filter_spread import plot_filter_spread
from antialias_plugins.visualization.flip_map import FlipMap, plot_flip_map
from antialias_plugins.visualization.learning_rates import ScheduleCurves, plot_learning_rates
from antialias_plugins.visualization.pareto import pareto_front, plot_pareto
from antialias_plugins.visualization.process_curves import ProcessCurves, plot_processes
from antialias_plugins.visualization.shift_flips import FlipPanel, plot_shift_flips
from antialias_plugins.visualization.spectra import SiteSpectrum, plot_spectra
from antialias_plugins.visualization.stability_strip import StabilityStrip, plot_stability
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
