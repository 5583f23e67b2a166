"""The ResNet family of every host, small enough to build by the dozen."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import pytest
import timm
import torch
import torchvision
from torch import nn


def torchvision_resnet(name: str, **kwargs) -> nn.Module:
    return getattr(torchvision.models, name)(num_classes=10, **kwargs)


def timm_resnet(name: str, **kwargs) -> nn.Module:
    return timm.create_model(name, **{'num_classes': 10, **kwargs})


def openmmlab_backbone(host: str, name: str, **kwargs) -> nn.Module:
    """A backbone of mmseg, mmdet or mmpretrain."""
    backbones = pytest.importorskip(f'{host}.models.backbones', exc_type=ImportError)
    return getattr(backbones, name)(**kwargs)


D8 = {'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)}
D16 = {'strides': (1, 2, 2, 1), 'dilations': (1, 1, 1, 2)}
THIN = {'base_channels': 8}
LEARNING = {'norm_eval': False}  # mmdet's backbones freeze their statistics by default

THIN_TIMM = {'channels': (8, 16, 32, 64)}
THIN_MMPRETRAIN = {'base_channels': 8, 'stem_channels': 8}

_TORCHVISION = {
    'resnet18': {},
    'resnet50': {'width_per_group': 8},
    'resnet50-d8': {'replace_stride_with_dilation': (False, True, True), 'width_per_group': 8},
    'resnet50-d16': {'replace_stride_with_dilation': (False, False, True), 'width_per_group': 8},
}
_TIMM = {
    'resnet18': {},
    'resnet18d': THIN_TIMM,
    'resnet50': THIN_TIMM,
    'resnet50d': THIN_TIMM,
    'resnext50_32x4d': {'cardinality': 2, 'base_width': 32, **THIN_TIMM},
    'seresnet50': THIN_TIMM,
    'ecaresnet50t': THIN_TIMM,
    'legacy_seresnext26_32x4d': {},
    'resnet26-d8': {'output_stride': 8, **THIN_TIMM},
    'resnet26d-d16': {'output_stride': 16, **THIN_TIMM},
}
_MMSEG = {
    'ResNet-18': {'depth': 18, **THIN},
    'ResNet-50': {'depth': 50, **THIN},
    'ResNet-50-caffe': {'depth': 50, 'style': 'caffe', **THIN},
    'ResNetV1c-50': {'depth': 50, 'stem_channels': 8, **THIN},
    'ResNetV1c-18-d16': {'depth': 18, 'stem_channels': 8, 'contract_dilation': True, **D16, **THIN},
    'ResNetV1c-50-d8': {'depth': 50, 'stem_channels': 8, 'contract_dilation': True, **D8, **THIN},
    'ResNetV1d-50': {'depth': 50, 'stem_channels': 8, **THIN},
    'ResNetV1d-50-d8': {'depth': 50, 'stem_channels': 8, 'contract_dilation': True, **D8, **THIN},
    'ResNet-50-cp': {'depth': 50, 'with_cp': True, **THIN},
    'ResNeXt-50': {'depth': 50, 'groups': 2, 'base_width': 8, **THIN},
}
_MMDET = {
    'ResNet-18': {'depth': 18, **LEARNING, **THIN},
    'ResNet-50-caffe': {'depth': 50, 'style': 'caffe', **LEARNING, **THIN},
    'ResNetV1d-50': {'depth': 50, 'stem_channels': 8, **LEARNING, **THIN},
    'ResNet-50-dcn': {
        'depth': 50,
        'dcn': {'type': 'DCN', 'deform_groups': 1},
        'stage_with_dcn': (False, True, True, False),
        **LEARNING,
        **THIN,
    },
}
_MMPRETRAIN = {
    'ResNet-18': {'depth': 18, 'out_indices': (0, 1, 2, 3), **THIN_MMPRETRAIN},
    'ResNet-50-caffe': {'depth': 50, 'style': 'caffe', **THIN_MMPRETRAIN},
    'ResNetV1d-50': {'depth': 50, **THIN_MMPRETRAIN},
    'SEResNet-50': {'depth': 50, 'se_ratio': 4, **THIN_MMPRETRAIN},
}


def _table() -> dict[str, Callable[[], nn.Module]]:
    table: dict[str, Callable[[], nn.Module]] = {}
    for name, kwargs in _TORCHVISION.items():
        table[f'torchvision-{name}'] = partial(torchvision_resnet, name.partition('-')[0], **kwargs)
    for name, kwargs in _TIMM.items():
        table[f'timm-{name}'] = partial(timm_resnet, name.partition('-')[0], **kwargs)
    for host, networks in (('mmseg', _MMSEG), ('mmdet', _MMDET), ('mmpretrain', _MMPRETRAIN)):
        for name, kwargs in networks.items():
            table[f'{host}-{name}'] = partial(openmmlab_backbone, host, name.partition('-')[0], **kwargs)
    return table


NETWORKS = _table()
HOSTS = [host for host in ('torchvision', 'timm', 'mmseg', 'mmdet', 'mmpretrain') if find_spec(host)]


def build(name: str) -> nn.Module:
    """The network in eval mode and float64, every norm with statistics and weights that leave nothing unseen."""
    torch.manual_seed(0)
    model = NETWORKS[name]()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
        if hasattr(module, 'conv_offset'):
            nn.init.normal_(module.conv_offset.weight, std=0.1)
    model.double()
    model.eval()
    return model


def outputs(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """All maps or logits that the network returns."""
    with torch.no_grad():
        y = model(x)
    return list(y) if isinstance(y, (tuple, list)) else [y]
