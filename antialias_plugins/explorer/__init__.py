"""Two networks and a moving window: their predictions at every shift, on one self-contained page."""

from antialias_plugins.explorer.explore import Exploration, explore
from antialias_plugins.explorer.filters import filter_spread, predicted_filters
from antialias_plugins.explorer.networks import check_pair, load_network
from antialias_plugins.explorer.page import check_writable, render_page, write_page
from antialias_plugins.explorer.path import DIRECTIONS, shift_path
from antialias_plugins.explorer.segmentor import PageSegmentor
from antialias_plugins.explorer.signals import Signals, measure_signals
from antialias_plugins.explorer.sweeps import (
    LabelSweep,
    MapSweep,
    compare_logits,
    compare_maps,
    count_flips,
    running_mean,
)

__all__ = [
    'DIRECTIONS',
    'Exploration',
    'LabelSweep',
    'MapSweep',
    'PageSegmentor',
    'Signals',
    'check_pair',
    'check_writable',
    'compare_logits',
    'compare_maps',
    'count_flips',
    'explore',
    'filter_spread',
    'load_network',
    'measure_signals',
    'predicted_filters',
    'render_page',
    'running_mean',
    'shift_path',
    'write_page',
]
