"""Find the places where a network downsamples, and filter them."""

from antialias_plugins.conversion.convert import convert_antialias, is_antialiased, plan_antialias, revert_antialias
from antialias_plugins.conversion.plan import AntialiasPlan, AntialiasWarning, LeftAlone, Site, UnsupportedModelError

__all__ = [
    'AntialiasPlan',
    'AntialiasWarning',
    'LeftAlone',
    'Site',
    'UnsupportedModelError',
    'convert_antialias',
    'is_antialiased',
    'plan_antialias',
    'revert_antialias',
]


def __dir__() -> list[str]:
    return __all__
