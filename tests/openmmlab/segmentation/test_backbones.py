"""The backbones of the reference systems: published networks, output strides, antialiasing, frozen norms."""

import copy

import pytest
import timm
import torch
import torchvision
from mmengine.registry import MODELS, init_default_scope
from mmseg.models.backbones import MobileNetV2, TIMMBackbone
from torch import nn
from torch.nn.functional import relu
from torch.nn.modules.batchnorm import _BatchNorm

from antialias_plugins import convert_antialias, revert_antialias
from antialias_plugins.openmmlab.segmentation.backbones import DRN, AlignedXception, DilatedMobileNetV2
from tests.openmmlab.segmentation.published_deeplab import Published

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
    **{'resnet-d16': 5, 'resnet-d8': 3, 'mobilenet-d16': 3, 'mobilenet_block-d16': 3},
    **{'drn-d8': 4, 'drn_basic-d8': 4, 'xception-d16': 6},
}
SIZES = {'even': (32, 48), 'odd': (33, 35)}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


# at an output stride of 8 these are slow, and have no place that they do not have at 16
@pytest.fixture(params=[name for name in BACKBONES if name not in ('xception-d8', 'mobilenet-d8')])
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


@pytest.mark.parametrize('size', [(32, 48), (33, 45)], ids=['even', 'odd'])
def test_drn_computes_what_the_published_network_does(size):
    published = Published('drn', 8)
    model = DRN(depth=54, base_channels=1).double().eval()
    state = {key.removeprefix('backbone.'): value for key, value in published.state.items() if 'backbone.' in key}
    model.load_state_dict(state, strict=True)
    images = torch.rand(2, 3, *size, dtype=torch.float64)

    low, high = model(images)

    expected_high, expected_low = published.features(images)
    torch.testing.assert_close(low, expected_low, rtol=1e-10, atol=0)
    torch.testing.assert_close(high, expected_high, rtol=1e-10, atol=0)


# https://github.com/fyu/drn counts the classifier of 1000 classes too, which reads 512 channels.
@pytest.mark.parametrize(('depth', 'millions'), [(22, 16.4), (38, 26.5), (54, 35.8), (105, 54.8)])
def test_parameter_counts_of_drn_are_the_published_ones(depth, millions):
    with torch.device('meta'):
        model = DRN(depth=depth)
    count = sum(parameter.numel() for parameter in model.parameters()) + 512 * 1000 + 1000
    assert round(count / 1e6, 1) == millions


def test_both_convolutions_of_a_basic_block_dilate():
    model = DRN(depth=22, base_channels=1)
    for name, dilation in {'layer4': 1, 'layer5': 2, 'layer6': 4}.items():
        for block in model.get_submodule(name):
            assert block.conv1.dilation == block.conv2.dilation == (dilation, dilation)


def test_layers_behind_the_last_map_do_not_run():
    model = DRN(depth=22, base_channels=1, out_indices=(0, 2)).eval()
    model.layer3 = None
    assert [map.shape[2:] for map in model(torch.zeros(1, 3, 16, 16))] == [(16, 16), (8, 8)]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(depth=50), 'depth must be one of 22, 24, 38, 40, 54, 105, got 50'),
        (dict(out_indices=(3, 9)), r'out_indices must be layers from 0 to 8, got \(3, 9\)'),
        (dict(out_indices=()), r'out_indices must be layers from 0 to 8, got \(\)'),
    ],
    ids=['depth', 'layer', 'none'],
)
def test_wrong_arguments_of_drn(arguments, message):
    with pytest.raises(ValueError, match=message):
        DRN(**arguments)


@pytest.mark.parametrize('depth', [41, 65, 71])
def test_keys_and_shapes_of_xception_are_those_of_timm(depth):
    with torch.device('meta'):
        model = AlignedXception(depth=depth)
        network = timm.create_model(f'xception{depth}', num_classes=0)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    assert {key: value.shape for key, value in model.state_dict().items()} == expected


@pytest.mark.parametrize('output_stride', [8, 16])
def test_maps_of_xception_are_the_first_block_and_the_last(output_stride):
    model = AlignedXception(depth=41, output_stride=output_stride).eval()
    network = timm.create_model('xception41', output_stride=output_stride, num_classes=0).eval()
    network.load_state_dict(model.state_dict(), strict=True)
    images = torch.rand(1, 3, 49, 35)
    taken = []
    network.blocks[0].register_forward_hook(lambda module, args, output: taken.append(relu(output)))

    low, high = model(images)

    torch.testing.assert_close(high, network.forward_features(images), rtol=0, atol=0)
    torch.testing.assert_close(low, taken[0], rtol=0, atol=0)
    assert (low.shape[1], high.shape[1]) == (128, 2048)


def test_the_low_level_map_of_the_paper_comes_from_mmseg():
    model = TIMMBackbone('xception41', pretrained=False, output_stride=16, out_indices=(1, 4)).eval()
    low, high = model(torch.zeros(1, 3, 64, 64))
    assert (low.shape[1:], high.shape[1:]) == ((256, 16, 16), (2048, 4, 4))


def test_weights_of_xception_are_initialized_by_fan_out():
    model = AlignedXception(depth=41)
    model.init_weights()
    weight = model.blocks[5].stack.conv2.conv_pw.weight
    assert weight.std().item() == pytest.approx((2 / weight.shape[0]) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(depth=50), 'depth must be 41, 65 or 71, got 50'),
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(norm_cfg=dict(type='GN')), "norm_cfg must have type 'BN' or 'SyncBN' and requires_grad only, got .*GN"),
        (dict(norm_cfg=dict(type='BN', momentum=0.1)), 'norm_cfg must have type .* got .*momentum'),
        (dict(pretrained=True, init_cfg=[]), r'init_cfg must be left out with pretrained=True, got \[\]'),
    ],
    ids=['depth', 'output stride', 'norm', 'momentum', 'init'],
)
def test_wrong_arguments_of_xception(arguments, message):
    with pytest.raises(ValueError, match=message):
        AlignedXception(**arguments)


def depthwise(model):
    """The 3×3 convolutions of every layer, by layer."""
    return [[block.conv[-2].conv for block in getattr(model, layer)] for layer in model.layers]


# What pytorch-deeplab-xception's rule gives, counted by hand: a layer that no longer strides keeps the dilation of the
# one before it, and the next ones dilate twice as much.
@pytest.mark.parametrize(
    ('output_stride', 'strides', 'dilations'),
    [
        (32, (1, 2, 2, 2, 1, 2, 1), (1, 1, 1, 1, 1, 1, 1)),
        (16, (1, 2, 2, 2, 1, 1, 1), (1, 1, 1, 1, 1, 1, 2)),
        (8, (1, 2, 2, 1, 1, 1, 1), (1, 1, 1, 1, 2, 2, 4)),
    ],
)
def test_strides_and_dilations_of_mobilenet(output_stride, strides, dilations):
    layers = depthwise(DilatedMobileNetV2(output_stride=output_stride))
    assert [layer[0].stride[0] for layer in layers] == list(strides)
    assert [{conv.dilation for conv in layer} for layer in layers] == [{(rate, rate)} for rate in dilations]


def test_undilated_mobilenet_is_the_network_of_mmseg():
    model = DilatedMobileNetV2(output_stride=32).double()
    reference = MobileNetV2(out_indices=(1, 6)).double()
    model.load_state_dict(reference.state_dict(), strict=True)
    model.eval(), reference.eval()
    images = torch.rand(1, 3, 49, 67, dtype=torch.float64)
    torch.testing.assert_close(model(images), reference(images), rtol=0, atol=0)


def test_padding_in_front_of_the_expansion_changes_the_border_only():
    model = DilatedMobileNetV2(output_stride=16).double()
    padded = DilatedMobileNetV2(output_stride=16, padding='block').double()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.bias, 0.1, 0.5)  # which the expansion turns zeros into
    padded.load_state_dict(model.state_dict())
    model.eval(), padded.eval()
    images = torch.rand(1, 3, 128, 128, dtype=torch.float64)

    low, expected = padded(images)[0], model(images)[0]

    # one stride 2 convolution and two others reach at most three pixels in from the border at a quarter of the size
    torch.testing.assert_close(low[..., 3:-3, 3:-3], expected[..., 3:-3, 3:-3], rtol=0, atol=1e-12)
    assert not torch.allclose(low[..., 0, :], expected[..., 0, :], rtol=1e-3)


def test_parameters_of_mobilenet_are_those_of_torchvision_without_the_head():
    with torch.device('meta'):
        model = DilatedMobileNetV2()
        network = torchvision.models.mobilenet_v2()
    head = [*network.features[18].parameters(), *network.classifier.parameters()]
    count, whole, rest = (
        sum(parameter.numel() for parameter in parameters)
        for parameters in (model.parameters(), network.parameters(), head)
    )
    assert count == whole - rest


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(padding='same'), "padding must be 'depthwise' or 'block', got 'same'"),
    ],
    ids=['output stride', 'padding'],
)
def test_wrong_arguments_of_mobilenet(arguments, message):
    with pytest.raises(ValueError, match=message):
        DilatedMobileNetV2(**arguments)
