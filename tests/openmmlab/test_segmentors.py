"""Whole segmentors: the places are those of the backbone, none in the heads."""

import copy

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from antialias_plugins import convert_antialias, plan_antialias

R18 = {'depth': 18, 'base_channels': 16, 'stem_channels': 16}
DILATED = {'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4), 'contract_dilation': True}
SEGMENTOR = {'type': 'EncoderDecoder', 'train_cfg': {}, 'test_cfg': {'mode': 'whole'}}
LAST = {'in_channels': 128, 'in_index': 3, 'channels': 16, 'num_classes': 5}
PYRAMID = {'in_channels': [16, 32, 64, 128], 'in_index': [0, 1, 2, 3], 'channels': 16, 'num_classes': 5}

HEADS = {
    'fcn': {'type': 'FCNHead', **LAST},
    'psp': {'type': 'PSPHead', **LAST},
    'deeplabv3': {'type': 'ASPPHead', 'dilations': (1, 12, 24, 36), **LAST},
    'deeplabv3plus': {
        'type': 'DepthwiseSeparableASPPHead',
        'dilations': (1, 12, 24, 36),
        'c1_in_channels': 16,
        'c1_channels': 8,
        **LAST,
    },
    'upernet': {'type': 'UPerHead', **PYRAMID},
    'fpn': {
        'type': 'FPNHead',
        'feature_strides': [4, 8, 16, 32],
        **PYRAMID,
        'in_channels': [16, 16, 16, 16],
    },
}
NECKS = {'fpn': {'type': 'FPN', 'in_channels': [16, 32, 64, 128], 'out_channels': 16, 'num_outs': 4}}


def build_segmentor(name: str) -> nn.Module:
    init_default_scope('mmseg')
    torch.manual_seed(0)
    backbone = {'type': 'ResNetV1c', **R18}
    if name not in ('upernet', 'fpn'):
        backbone |= DILATED
    config = {**SEGMENTOR, 'backbone': backbone, 'decode_head': HEADS[name]}
    if name in NECKS:
        config['neck'] = NECKS[name]
    model = MODELS.build(copy.deepcopy(config)).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
        module.training = False
    return model


@pytest.mark.parametrize('name', HEADS)
def test_whole_segmentors_convert_as_their_backbones(name):
    model = build_segmentor(name)
    x = torch.rand(1, 3, 97, 128, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)
        of_backbone = plan_antialias(model.backbone).sites
        of_segmentor = plan_antialias(model).sites
        assert [s.roots for s in of_segmentor] == [tuple(f'backbone.{r}' for r in s.roots) for s in of_backbone]
        convert_antialias(model, 'lpf1', avgpool='keep')
        error = (model(x) - expected).abs().max() / expected.abs().max()
    assert error <= 1e-12
