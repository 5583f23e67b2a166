"""Two networks and a moving window: their predictions at every shift, on one self-contained page."""

from antialias_plugins.explorer.explore import Exploration, explore, render_page, write_page
from antialias_plugins.explorer.networks import PageSegmentor, load_network, load_networks
from antialias_plugins.explorer.signals import Signals, measure_signals
from antialias_plugins.explorer.sweeps import DIRECTIONS, shift_path

__all__ = [
    'DIRECTIONS',
    'Exploration',
    'PageSegmentor',
    'Signals',
    'explore',
    'load_network',
    'load_networks',
    'measure_signals',
    'render_page',
    'shift_path',
    'write_page',
]


def __dir__() -> list[str]:
    return __all__
