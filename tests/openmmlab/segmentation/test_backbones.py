"""The backbones of pytorch-deeplab-xception's menu: output strides, antialiasing, frozen norms."""

import copy

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from antialias_plugins import convert_antialias, revert_antialias

RESNET = dict(type='ResNet', depth=50, stem_channels=8, base_channels=8, out_indices=(0, 3))
BACKBONES = {
    'resnet-d16': dict(RESNET, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), multi_grid=(2, 4, 8)),
    'resnet-d8': dict(RESNET, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), multi_grid=(4, 8, 16)),
    'mobilenet-d16': dict(type='DilatedMobileNetV2', output_stride=16),
    'mobilenet-d8': dict(type='DilatedMobileNetV2', output_stride=8),
    'mobilenet_block-d16': dict(type='DilatedMobileNetV2', output_stride=16, padding='block'),
    'drn-d8': dict(type='DRN', depth=54, base_channels=4),
    'drn_basic-d8': dict(type='DRN', depth=22, base_channels=4),
    'xception-d16': dict(type='AlignedXception', depth=41, output_stride=16),
    'xception-d8': dict(type='AlignedXception', depth=41, output_stride=8),
}
SITES = {
    **{'resnet-d16': 5, 'resnet-d8': 3, 'mobilenet-d16': 3, 'mobilenet-d8': 2, 'mobilenet_block-d16': 3},
    **{'drn-d8': 4, 'drn_basic-d8': 4, 'xception-d16': 6},
}
SIZES = {'even': (32, 64), 'odd': (49, 35)}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


# at an output stride of 8 the Xception is slow, and has no place that it does not have at 16
@pytest.fixture(params=[name for name in BACKBONES if name != 'xception-d8'])
def name(request):
    return request.param


def build(name: str) -> nn.Module:
    """A backbone in float64 and eval mode, with norms that do something."""
    model = MODELS.build(BACKBONES[name])
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    model.double().eval()
    return model


@torch.no_grad()
def maps(model: nn.Module, size: str) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return model(torch.rand(1, 3, *SIZES[size], dtype=torch.float64, generator=generator))


def test_invariants_of_the_conversion(name):
    model = build(name)
    state = copy.deepcopy(model.state_dict())
    expected = {size: maps(model, size) for size in SIZES}

    convert_antialias(model, 'lpf1')
    for size, values in expected.items():
        for map, value in zip(maps(model, size), values, strict=True):
            assert (map - value).abs().max() <= 1e-12 * value.abs().max()
    revert_antialias(model)

    convert_antialias(model, 'lpf3')
    assert sum(type(module).__name__ == 'BlurPool2d' for module in model.modules()) == SITES[name]
    model.load_state_dict(state, strict=True)
    assert not torch.allclose(maps(model, 'even')[-1], expected['even'][-1], rtol=1e-3)
    revert_antialias(model)

    convert_antialias(model, 'ddac3')
    report = model.load_state_dict(state, strict=False)
    assert not report.unexpected_keys
    assert report.missing_keys and all('aa.' in key for key in report.missing_keys)


@pytest.mark.parametrize('name', BACKBONES)
@torch.no_grad()
def test_output_strides(name):
    stride = int(name.rpartition('-d')[2])
    model = MODELS.build(BACKBONES[name])
    model.eval()
    for height, width in SIZES.values():
        low, high = model(torch.zeros(1, 3, height, width))
        assert low.shape[2:] == (-(-height // 4), -(-width // 4))
        assert high.shape[2:] == (-(-height // stride), -(-width // stride))


def test_frozen_norms_neither_learn_nor_count(name):
    config = {**BACKBONES[name], 'norm_cfg': dict(type='BN', requires_grad=False), 'norm_eval': True}
    model = MODELS.build(config | dict(type='Antialiased', base=config['type'], pool='lpf3'))
    model.train()
    sum(map.square().sum() for map in model(torch.rand(2, 3, 33, 33))).backward()

    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    assert norms
    assert not any(norm.training or norm.weight.requires_grad or norm.num_batches_tracked for norm in norms)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.requires_grad]
    assert gradients and all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def test_norms_synchronize(name):
    model = MODELS.build({**BACKBONES[name], 'norm_cfg': dict(type='SyncBN')})
    assert all(isinstance(m, nn.SyncBatchNorm) for m in model.modules() if isinstance(m, _BatchNorm))
    plain = MODELS.build(BACKBONES[name])
    model.load_state_dict(plain.state_dict(), strict=True)
    images = torch.rand(1, 3, 32, 32)
    model.eval(), plain.eval()  # in eval mode both norms compute the same, activations included
    torch.testing.assert_close(model(images), plain(images))
