"""Antialiased networks for timm and OpenMMLab.

Importing the package plugs it in: its names are registered in timm, and its types in mmengine where that is installed.

    >>> import torchvision, antialias_plugins
    >>> model = antialias_plugins.convert_antialias(torchvision.models.resnet18(), 'lpf4')
    >>> model.layer2[0].conv2.aa
    BlurPool2d(128, filt_size=4, stride=(2, 2), padding_mode='reflect')
"""

from importlib.util import find_spec

from antialias_plugins import (
    checkpoints,
    conversion,
    deployment,
    functional,
    kernels,
    layers,
    metrics,
    testing,
    timm_models,
)
from antialias_plugins.conversion import (
    AntialiasPlan,
    AntialiasWarning,
    UnsupportedModelError,
    convert_antialias,
    is_antialiased,
    plan_antialias,
    revert_antialias,
)
from antialias_plugins.deployment import fuse_for_inference
from antialias_plugins.layers import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    BlurPool2d,
    FrequencyLowCutPool2d,
    LearnablePolyphasePool2d,
    MaxBlurPool2d,
    PolyphaseUnpool2d,
    TranslationInvariantPolyphasePool2d,
)
from antialias_plugins.version import __version__

if find_spec('mmengine') is not None:
    from antialias_plugins import openmmlab as openmmlab  # registers its types

__all__ = [
    'AdaptiveBlurPool2d',
    'AdaptivePolyphasePool2d',
    'AntialiasPlan',
    'AntialiasWarning',
    'BlurPool2d',
    'FrequencyLowCutPool2d',
    'LearnablePolyphasePool2d',
    'MaxBlurPool2d',
    'PolyphaseUnpool2d',
    'TranslationInvariantPolyphasePool2d',
    'UnsupportedModelError',
    '__version__',
    'checkpoints',
    'conversion',
    'convert_antialias',
    'deployment',
    'functional',
    'fuse_for_inference',
    'is_antialiased',
    'kernels',
    'layers',
    'metrics',
    'plan_antialias',
    'revert_antialias',
    'testing',
    'timm_models',
]


def __dir__() -> list[str]:
    return __all__
