"""The networks that the configs build: their parts, their maps, and the weights that fit them."""

import copy

import pytest
import torch
from mmcv.cnn.bricks import ConvWS2d
from torch import nn

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d, convert_antialias
from antialias_plugins.checkpoints import published_arguments
from antialias_plugins.openmmlab.published_backbones import published_backbone
from tests.configs.leaves import TOYS, build, load

METHODS = {'': None, 'lpf3': BlurPool2d, 'ddac3': AdaptiveBlurPool2d}
GNWS = TOYS / 'deeplabv3_gnws/deeplabv3_r18-gnws-d16_1xb2-30_toyvoc-96x96'
DDAC = TOYS / 'ddac/deeplabv3plus_r18-ddac3-d16_1xb2-30_toyscapes-96x192'
XCEPTION = 'deeplab_xception/deeplabv3plus_{}_4xb4-33k_voc12sbd-513x513'


def antialiased(backbone, method, **convert):
    """The config of a backbone with a filter of a method."""
    return backbone | dict(type='Antialiased', base=backbone.type, pool=method, convert=convert)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('stride', [8, 16])
@pytest.mark.parametrize('model', ['deeplabv3', 'deeplabv3plus'])
def test_output_stride(model, stride, method):
    if method == 'lpf3' and model == 'deeplabv3':
        pytest.skip('the same backbone')
    backbone = load(f'{model}/{model}_r18-d{stride}_4xb2-80k_cityscapes-512x1024').model.backbone
    config = antialiased(backbone, method) if method else backbone
    maps = build(config, 'cpu', base_channels=8, stem_channels=8)(torch.zeros(1, 3, 64, 64))
    assert 64 // maps[-1].shape[-1] == stride


@pytest.mark.parametrize('name', ['r101-d16', 'r101-d8', 'mobilenetv2-d16', 'drn54-d8', 'xception65-d16'])
def test_backbones_of_the_menu(name):
    config, stride = load(XCEPTION.format(name)).model, int(name.rpartition('-d')[2])
    with torch.device('meta'):
        low, high = build(config).backbone(torch.zeros(1, 3, 513, 513))
    assert (low.shape[2:], high.shape[2:]) == ((129, 129), (512 // stride + 1,) * 2)
    assert (low.shape[1], high.shape[1]) == (config.decode_head.c1_in_channels, config.decode_head.in_channels)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('name', ['r18-d16', 'mobilenetv2-d16', 'drn22-d8', 'xception41-d16'])
def test_toys_of_the_menu(name, method):
    """An Xception converts slowly; that it does is tested with the backbones."""
    if name.startswith('xception') and method:
        pytest.skip('slow')
    config = load(TOYS / f'deeplab_xception/deeplabv3plus_{name}_1xb2-30_toyvoc-96x96').model
    if method:
        config.backbone = antialiased(config.backbone, method)
    model = build(config, 'cpu')
    assert {type(module) for module in model.modules()} & {BlurPool2d, AdaptiveBlurPool2d} == {METHODS[method]} - {None}
    low, high = model.backbone(torch.zeros(1, 3, 64, 64))
    assert (64 // low.shape[-1], 64 // high.shape[-1]) == (4, int(name.rpartition('-d')[2]))
    assert model.decode_head([low, high]).shape == (1, 21, 16, 16)


@pytest.mark.parametrize(
    'name', ['deeplabv3_gnws/deeplabv3_r101-gnws-d16_1xb16-33k_voc12aug-513x513', GNWS], ids=['r101', 'r18']
)
def test_group_norm_and_weight_standardisation(name):
    """32 groups everywhere, and standardised weights in all convolutions but that of the classes."""
    model = build(load(name).model)
    kinds = (nn.GroupNorm, nn.modules.batchnorm._BatchNorm)
    norms = [module for module in model.modules() if isinstance(module, kinds)]
    assert {(type(module), module.num_groups) for module in norms} == {(nn.GroupNorm, 32)}
    convolutions = {key: type(module) for key, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    assert convolutions.pop('decode_head.conv_seg') is nn.Conv2d
    assert set(convolutions.values()) == {ConvWS2d}
    assert len(convolutions) == len(norms)


@pytest.mark.parametrize(('method', 'layer', 'count'), [('lpf3', BlurPool2d, 5), ('ddac3', AdaptiveBlurPool2d, 7)])
@pytest.mark.parametrize('grid', [None, (2, 4, 8)], ids=['1-1-1', '1-2-4'])
def test_maps_of_an_antialiased_group_norm(grid, method, layer, count):
    config = load(GNWS).model.backbone | dict(multi_grid=grid)
    config = antialiased(config, method, **({'dilated': 'blur'} if method == 'ddac3' else {}))
    backbone = build(config, 'cpu', base_channels=32, stem_channels=32)
    assert sum(isinstance(module, layer) for module in backbone.modules()) == count
    assert [x.shape[-1] for x in backbone(torch.zeros(1, 3, 97, 97))] == [25, 13, 7, 7]


@torch.no_grad()
def test_conversion_keeps_weight_standardisation():
    """Plain subsampling is the same network but for the statistics of group norm, which the denser maps change."""
    config = load(GNWS).model.backbone
    config.norm_cfg = {'type': 'BN'}
    plain = build(config, 'cpu', base_channels=32, stem_channels=32).double()
    plain.eval()
    x = torch.randn(1, 3, 65, 97, dtype=torch.float64)
    expected = plain(x)
    converted = convert_antialias(plain, 'lpf1', avgpool='keep')
    for actual, map_ in zip(converted(x), expected, strict=True):
        torch.testing.assert_close(actual, map_, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('method', ['lpf3', 'ddac3'])
def test_converted_imagenet_weights_fit(method):
    """`antialias weights convert` writes them for the undilated backbone."""
    dilated = build(load(DDAC.with_name(DDAC.name.replace('ddac3', method))).model.backbone).state_dict()
    undilated = build(copy.deepcopy(published_backbone(f'resnet18_{method}'))).state_dict()
    assert {key: value.shape for key, value in dilated.items()} == {
        key: value.shape for key, value in undilated.items()
    }


@pytest.mark.parametrize(('size', 'low', 'deep'), [((257, 257), 65, 17), ((256, 256), 64, 16)], ids=['odd', 'even'])
@pytest.mark.parametrize('method', ['', '-lpf3', '-ddac3'], ids=['baseline', 'lpf3', 'ddac3'])
def test_sizes_of_the_maps(size, low, deep, method):
    """Published: 65 and 17 of 257 pixels for the plain network; 64 and 16 where the max pool drops a row."""
    config = load(DDAC.with_name(DDAC.name.replace('-ddac3', method)))
    maps = build(config.model.backbone, 'cpu', base_channels=16, stem_channels=16)(torch.zeros(1, 3, *size))
    assert (maps[0].shape[-1], maps[-1].shape[-1]) == ((low, deep) if not method else (64, 16))


@pytest.mark.parametrize('method', ['aps3', 'lps3'])
def test_equivariant_network(method):
    config = load(TOYS / f'equivariant/deeplabv3plus_r18-{method}-d16_1xb2-30_toyscapes-96x192').model
    model = build(config, 'cpu', base_channels=4, stem_channels=4)
    assert type(model).__name__ == 'ShiftEquivariantEncoderDecoder'
    assert model.output_stride == (16, 16)
    assert sum(getattr(module, 'leads', False) for module in model.backbone.modules()) == 4


@pytest.mark.parametrize(('depth', 'method'), [(18, 'lpf4'), (50, 'ddac3')])
def test_classifier_is_the_published_one(depth, method):
    gpus = '8xb16' if method == 'ddac3' else '8xb32'
    config = load(f'resnet/resnet{depth}-{method}_{gpus}-90e_imagenet-224x224').model
    arch = f'resnet{depth}_{method}'
    published = published_backbone(arch, 'mmpretrain', published_arguments(arch, 'not read'))
    assert str(build(config.backbone, 'cpu')) == str(build(published, 'cpu'))


@pytest.mark.parametrize(('depth', 'count'), [(18, 11689512), (50, 25557032), (101, 44549160)])
def test_parameters_are_those_of_the_literature(depth, count):
    """He et al.'s networks in torchvision's documentation."""
    model = build(load(f'resnet/resnet{depth}_8xb32-90e_imagenet-224x224').model, 'cpu')
    assert sum(parameter.numel() for parameter in model.parameters()) == count
