"""A small configuration of every backbone class of mmseg and mmpretrain.

Left out: ``TIMMBackbone`` (timm's networks), ``VPD`` (a diffusion model, read from a checkpoint), ``CSPNet`` (what
``CSPDarkNet``, ``CSPResNet`` and ``CSPResNeXt`` derive from), ``SparseResNet`` and ``SparseConvNeXt`` (``ResNet`` and
``ConvNeXt`` under the mask of a pretraining).
"""

from typing import Any

_NORM, _ACT = {'type': 'BN'}, {'type': 'ReLU'}
_VIT = {'img_size': 128, 'embed_dims': 64, 'num_layers': 2, 'num_heads': 2}
_TWINS = {
    'num_heads': [1, 2, 4, 8],
    'patch_sizes': [4, 2, 2, 2],
    'strides': [4, 2, 2, 2],
    'mlp_ratios': [4, 4, 4, 4],
    'depths': [1, 1, 1, 1],
    'sr_ratios': [8, 4, 2, 1],
    'out_indices': (0, 1, 2, 3),
    'qkv_bias': True,
}
_STDC = {
    'stdc_type': 'STDCNet1',
    'in_channels': 3,
    'channels': (32, 64, 256, 512, 1024),
    'bottleneck_type': 'cat',
    'norm_cfg': _NORM,
    'act_cfg': _ACT,
    'num_convs': 4,
    'with_final_conv': False,
}


def _hrnet_stage(branches: int, width: int) -> dict[str, Any]:
    return {
        'num_modules': 1,
        'num_branches': branches,
        'block': 'BASIC',
        'num_blocks': (2,) * branches,
        'num_channels': tuple(width * 2**branch for branch in range(branches)),
    }


_HRNET = {
    'stage1': {'num_modules': 1, 'num_branches': 1, 'block': 'BOTTLENECK', 'num_blocks': (1,), 'num_channels': (32,)},
    **{f'stage{branches}': _hrnet_stage(branches, 16) for branches in (2, 3, 4)},
}

# channels and side of the images of those that are not made for photographs
IMAGES = {'LeNet5': (1, 32)}

MMSEG: dict[str, dict[str, Any]] = {
    'BEiT': _VIT,
    'BiSeNetV1': {'backbone_cfg': {'type': 'ResNet', 'depth': 18}},
    'BiSeNetV2': {},
    'CGNet': {},
    'DDRNet': {},
    'ERFNet': {},
    'FastSCNN': {},
    'HRNet': {'extra': _HRNET},
    'ICNet': {'backbone_cfg': {'type': 'ResNetV1c', 'depth': 18}, 'layer_channels': (128, 512)},
    'MAE': _VIT,
    'MSCAN': {'embed_dims': [32, 64, 160, 256], 'depths': [3, 3, 5, 2]},
    'MixVisionTransformer': {'embed_dims': 32},
    'MobileNetV2': {},
    'MobileNetV3': {'arch': 'small'},
    'PCPVT': {'embed_dims': [32, 64, 128, 256], 'norm_after_stage': False, **_TWINS},
    'PIDNet': {'channels': 32},
    'ResNeSt': {'depth': 50, 'stem_channels': 64},
    'ResNeXt': {'depth': 50, 'groups': 32, 'base_width': 4},
    'ResNet': {'depth': 18},
    'ResNetV1c': {'depth': 18},
    'ResNetV1d': {'depth': 18},
    'STDCContextPathNet': {
        'backbone_cfg': {'type': 'STDCNet', **_STDC},
        'last_in_channels': (1024, 512),
        'out_channels': 128,
        'ffm_cfg': {'in_channels': 384, 'out_channels': 256, 'scale_factor': 4},
    },
    'STDCNet': _STDC,
    'SVT': {'embed_dims': [32, 64, 128, 256], 'windiow_sizes': [7, 7, 7, 7], 'norm_after_stage': True, **_TWINS},
    'SwinTransformer': {'embed_dims': 32, 'depths': (1, 1, 1, 1), 'num_heads': (1, 2, 4, 8)},
    'UNet': {'base_channels': 16},
    'VisionTransformer': _VIT,
}

MMPRETRAIN: dict[str, dict[str, Any]] = {
    'AlexNet': {},
    'BEiTViT': {'arch': 'base'},
    'CSPDarkNet': {'depth': 53},
    'CSPResNeXt': {'depth': 50},
    'CSPResNet': {'depth': 50},
    'Conformer': {'arch': 'tiny'},
    'ConvMixer': {'arch': '768/32'},
    'ConvNeXt': {'arch': 'atto'},
    'DaViT': {'arch': 'tiny'},
    'DeiT3': {'arch': 'small'},
    'DenseNet': {'arch': '121'},
    'DistilledVisionTransformer': {'arch': 'deit-tiny'},
    'EdgeNeXt': {'arch': 'xxsmall'},
    'EfficientFormer': {'arch': 'l1'},
    'EfficientNet': {'arch': 'b0'},
    'EfficientNetV2': {'arch': 'b0'},
    'HRNet': {'arch': 'w18'},
    'HiViT': {'arch': 'tiny'},
    'HorNet': {'arch': 'tiny'},
    'InceptionV3': {},
    'LeNet5': {},
    'LeViT': {'arch': '128s'},
    'MViT': {'arch': 'tiny'},
    'MixMIMTransformer': {'arch': 'base'},
    'MlpMixer': {'arch': 'base'},
    'MobileNetV2': {},
    'MobileNetV3': {'arch': 'small'},
    'MobileOne': {'arch': 's0'},
    'MobileViT': {'arch': 'xx_small'},
    'PCPVT': {'arch': 'small'},
    'PoolFormer': {'arch': 's12'},
    'PyramidVig': {'arch': 'tiny'},
    'RIFormer': {'arch': 's12'},
    'RegNet': {'arch': 'regnetx_400mf'},
    'RepLKNet': {'arch': '31B'},
    'RepMLPNet': {'arch': 'base'},
    'RepVGG': {'arch': 'A0'},
    'Res2Net': {'depth': 50},
    'ResNeSt': {'depth': 50},
    'ResNeXt': {'depth': 50},
    'ResNet': {'depth': 18},
    'ResNetV1c': {'depth': 50},
    'ResNetV1d': {'depth': 50},
    'ResNet_CIFAR': {'depth': 18},
    'RevVisionTransformer': {'arch': 'deit-tiny'},
    'SEResNeXt': {'depth': 50},
    'SEResNet': {'depth': 50},
    'SVT': {'arch': 'small'},
    'ShuffleNetV1': {},
    'ShuffleNetV2': {},
    'SwinTransformer': {'arch': 'tiny'},
    'SwinTransformerV2': {'arch': 'tiny', 'pad_small_map': True},
    'T2T_ViT': {},
    'TNT': {},
    'TinyViT': {'arch': '5m'},
    'VAN': {'arch': 'tiny'},
    'VGG': {'depth': 11},
    'ViTEVA02': {'arch': 'tiny'},
    'ViTSAM': {'arch': 'base'},
    'Vig': {'arch': 'tiny'},
    'VisionTransformer': {'arch': 'deit-tiny'},
    'XCiT': {'patch_size': 16, 'embed_dims': 128, 'depth': 2, 'num_heads': 4},
}
