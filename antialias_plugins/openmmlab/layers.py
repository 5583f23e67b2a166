"""The layers in mmengine's root registry, where every OpenMMLab scope finds them."""

from mmengine.registry import MODELS

from antialias_plugins.layers import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    BlurPool2d,
    FrequencyLowCutPool2d,
    LearnablePolyphasePool2d,
    MaxBlurPool2d,
    TranslationInvariantPolyphasePool2d,
)

LAYERS = (
    BlurPool2d,
    MaxBlurPool2d,
    AdaptiveBlurPool2d,
    FrequencyLowCutPool2d,
    AdaptivePolyphasePool2d,
    LearnablePolyphasePool2d,
    TranslationInvariantPolyphasePool2d,
)

for _layer in LAYERS:
    MODELS.register_module(module=_layer)
