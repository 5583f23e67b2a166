"""The layers in mmengine's root registry, where every OpenMMLab scope finds them."""

from mmengine.registry import MODELS

from antialias_plugins.layers import AdaptiveBlurPool2d, BlurPool2d, FrequencyLowCutPool2d, MaxBlurPool2d

LAYERS = (BlurPool2d, MaxBlurPool2d, AdaptiveBlurPool2d, FrequencyLowCutPool2d)

for _layer in LAYERS:
    MODELS.register_module(module=_layer)
