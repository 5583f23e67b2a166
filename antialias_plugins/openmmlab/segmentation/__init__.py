"""The seeds' segmentation systems: heads, backbones, losses and segmentors that build on mmseg's.

Their modules import mmseg and mmcv, so each is imported when a config builds its type.
"""

from mmengine.registry import DATASETS, MODELS, TRANSFORMS, Registry

from antialias_plugins.openmmlab.deferred import register_deferred

# registry, name of the type, module of this package
TYPES: tuple[tuple[Registry, str, str], ...] = (
    (DATASETS, 'COCOVOCDataset', 'coco_voc'),
    (MODELS, 'ProjectedASPPHead', 'projected_aspp_head'),
    (MODELS, 'ProjectedASPPPlusHead', 'projected_aspp_head'),
    (TRANSFORMS, 'LogRandomResize', 'log_random_resize'),
    (TRANSFORMS, 'TorchvisionColorJitter', 'color_jitter'),
    (MODELS, 'AlignedXception', 'aligned_xception'),
    (MODELS, 'DilatedMobileNetV2', 'dilated_mobilenet_v2'),
    (MODELS, 'DeepLabXceptionHead', 'deeplab_xception_head'),
    (MODELS, 'DRN', 'drn'),
    (MODELS, 'SoftmaxFocalLoss', 'softmax_focal_loss'),
    (MODELS, 'DualSuperResolution', 'dual_super_resolution'),
    (MODELS, 'FeatureAffinityLoss', 'feature_affinity'),
    (MODELS, 'FeatureTransform', 'feature_transform'),
    (MODELS, 'LearnedUpsampling', 'learned_upsampling'),
    (MODELS, 'LowResolutionPreProcessor', 'low_resolution'),
    (MODELS, 'PolyphaseASPPHead', 'polyphase_aspp_head'),
    (MODELS, 'ShiftEquivariantEncoderDecoder', 'shift_equivariant'),
    (MODELS, 'SubPixelUpsampling', 'super_resolution_upsampling'),
    (MODELS, 'SuperResolutionHead', 'super_resolution_head'),
    (MODELS, 'TransposedUpsampling', 'super_resolution_upsampling'),
)

for _registry, _name, _module in TYPES:
    register_deferred(_registry, _name, f'{__name__}.{_module}')
