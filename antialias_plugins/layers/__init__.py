"""Modules over the tensor functions, and the shorthands that name them."""

from antialias_plugins.layers.adaptive_blur_pool import AdaptiveBlurPool2d
from antialias_plugins.layers.adaptive_polyphase_pool import AdaptivePolyphasePool2d
from antialias_plugins.layers.blur_pool import BlurPool2d
from antialias_plugins.layers.learnable_polyphase_pool import (
    LearnablePolyphasePool2d,
    scheduled_temperature,
    set_temperature,
)
from antialias_plugins.layers.low_cut_pool import FrequencyLowCutPool2d
from antialias_plugins.layers.max_blur_pool import MaxBlurPool2d
from antialias_plugins.layers.phase_link import PhaseLink
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d, PolyphaseUnpool2d
from antialias_plugins.layers.pool import PoolFactory, resolve_pool
from antialias_plugins.layers.translation_invariant_polyphase_pool import (
    TranslationInvariantPolyphasePool2d,
    mixing_losses,
)

__all__ = [
    'AdaptiveBlurPool2d',
    'AdaptivePolyphasePool2d',
    'BlurPool2d',
    'FrequencyLowCutPool2d',
    'LearnablePolyphasePool2d',
    'MaxBlurPool2d',
    'PhaseLink',
    'PolyphasePool2d',
    'PolyphaseUnpool2d',
    'PoolFactory',
    'TranslationInvariantPolyphasePool2d',
    'mixing_losses',
    'resolve_pool',
    'scheduled_temperature',
    'set_temperature',
]


def __dir__() -> list[str]:
    return __all__
