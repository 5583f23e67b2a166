"""Modules over the tensor functions, and the shorthands that name them."""

from antialias_plugins.layers.adaptive_blur_pool import AdaptiveBlurPool2d
from antialias_plugins.layers.blur_pool import BlurPool2d
from antialias_plugins.layers.low_cut_pool import FrequencyLowCutPool2d
from antialias_plugins.layers.max_blur_pool import MaxBlurPool2d
from antialias_plugins.layers.pool import PoolFactory, resolve_pool

__all__ = ['AdaptiveBlurPool2d', 'BlurPool2d', 'FrequencyLowCutPool2d', 'MaxBlurPool2d', 'PoolFactory', 'resolve_pool']
