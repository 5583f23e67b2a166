"""Registration of the layers and of the reference systems' types in mmengine's root registries.

Every OpenMMLab scope finds what the root registries hold. The modules of the systems import mmseg and mmcv, so each is
imported when a config builds its first type.
"""

from importlib import import_module
from typing import Any

from mmengine.registry import DATASETS, MODELS, TRANSFORMS, Registry

from antialias_plugins.layers import MaxBlurPool2d
from antialias_plugins.layers.pool import METHODS

LAYERS = (MaxBlurPool2d, *(method.layer for method in METHODS.values()))

# registry, module of `antialias_plugins.openmmlab.segmentation`, its types
SYSTEMS: tuple[tuple[Registry, str, tuple[str, ...]], ...] = (
    (MODELS, 'backbones', ('AlignedXception', 'DilatedMobileNetV2', 'DRN')),
    (MODELS, 'deeplab_heads', ('DeepLabXceptionHead', 'ProjectedASPPHead', 'ProjectedASPPPlusHead')),
    (MODELS, 'dual_super_resolution', ('DualSuperResolution', 'LowResolutionPreProcessor')),
    (MODELS, 'losses', ('FeatureAffinityLoss', 'FeatureTransform', 'SoftmaxFocalLoss')),
    (MODELS, 'shift_equivariant', ('PolyphaseASPPHead', 'ShiftEquivariantEncoderDecoder')),
    (
        MODELS,
        'super_resolution_head',
        ('LearnedUpsampling', 'SubPixelUpsampling', 'SuperResolutionHead', 'TransposedUpsampling'),
    ),
    (DATASETS, 'data', ('COCOVOCDataset',)),
    (TRANSFORMS, 'data', ('LogRandomResize', 'TorchvisionColorJitter')),
)


def register_deferred(registry: Registry, name: str, module: str) -> None:
    """Register the class ``name`` of ``module``, without importing the module yet.

    A config builds it like any other type; what the registry holds is a function that imports, then builds.

    Args:
        registry: One of mmengine's root registries, where the configs of every OpenMMLab package find the name.
        name: Name of the class, and of the type in a config.
        module: Full name of the module.

    Raises:
        KeyError: The registry has the name already.
    """

    def build(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    build.__name__, build.__doc__ = name, f'Build `{module}.{name}`.'
    registry.register_module(name=name, module=build)


for _layer in LAYERS:
    MODELS.register_module(module=_layer)
for _registry, _module, _names in SYSTEMS:
    for _name in _names:
        register_deferred(_registry, _name, f'antialias_plugins.openmmlab.segmentation.{_module}')
