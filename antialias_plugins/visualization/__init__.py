"""Figures from numbers; nothing computes here. Needs matplotlib."""

from antialias_plugins.visualization.shift_flips import FlipPanel, plot_shift_flips

__all__ = ['FlipPanel', 'plot_shift_flips']
