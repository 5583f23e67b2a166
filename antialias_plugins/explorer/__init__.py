"""Two networks and a moving window: their predictions at every shift, on one self-contained page."""

from antialias_plugins.explorer.explore import Exploration, check_writable, explore, render_page, write_page
from antialias_plugins.explorer.networks import (
    PageClassifier,
    PageSegmentor,
    add_options,
    check_pair,
    load_network,
    load_networks,
)
from antialias_plugins.explorer.signals import Signals, measure_signals
from antialias_plugins.explorer.sweeps import (
    DIRECTIONS,
    LabelSweep,
    MapSweep,
    compare_logits,
    compare_maps,
    running_mean,
    shift_path,
)

__all__ = [
    'DIRECTIONS',
    'Exploration',
    'LabelSweep',
    'MapSweep',
    'PageClassifier',
    'PageSegmentor',
    'Signals',
    'add_options',
    'check_pair',
    'check_writable',
    'compare_logits',
    'compare_maps',
    'explore',
    'load_network',
    'load_networks',
    'measure_signals',
    'render_page',
    'running_mean',
    'shift_path',
    'write_page',
]
