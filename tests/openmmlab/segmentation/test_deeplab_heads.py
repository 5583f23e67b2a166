"""DeepLab's heads against functions of their layers."""

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from antialias_plugins.openmmlab.segmentation.deeplab_heads import (
    DeepLabXceptionHead,
    ProjectedASPPHead,
    ProjectedASPPPlusHead,
)
from tests.openmmlab.segmentation.published_deeplab import ASPP_RATES, Published

HEAD = {'in_channels': 6, 'in_index': 1, 'channels': 8, 'num_classes': 3, 'norm_cfg': {'type': 'BN'}}
PLUS = HEAD | {'dilations': (1, 2, 3), 'c1_in_channels': 5, 'c1_channels': 4}
MAPS = ((2, 5, 12, 14), (2, 6, 6, 7))


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def maps():
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in MAPS]


def test_a_pointwise_head_is_its_weighted_sum():
    """Without norms, activations or atrous branches, two matrices and the mean of the map are all there is to it."""
    head = ProjectedASPPHead(**HEAD | {'dilations': (1,), 'norm_cfg': None, 'act_cfg': None}).double().eval()
    x = maps()
    y = head(x)
    weights = {key: value.double() for key, value in head.state_dict().items()}

    def linear(name, z):
        return torch.einsum('oi,n...i->n...o', weights[f'{name}.weight'].flatten(1), z) + weights[f'{name}.bias']

    pixels = x[1].movedim(1, -1)
    pooled = pixels.mean((1, 2), keepdim=True).expand_as(pixels)
    branches = [linear('aspp_modules.0.conv', pixels), linear('image_pool.1.conv', pooled)]
    expected = linear('conv_seg', linear('bottleneck.conv', torch.cat(branches, -1))).movedim(-1, 1)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-12)
    probe = torch.randn_like(y)
    gradients = (torch.autograd.grad((z * probe).sum(), x[1], retain_graph=True)[0] for z in (y, expected))
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('separable', [False, True], ids=['plain', 'separable'])
def test_size_of_the_output_and_gradients_to_every_parameter(separable):
    head = ProjectedASPPPlusHead(**PLUS, separable=separable).double()
    y = head(maps())
    assert y.shape == (2, 3, 12, 14)
    y.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.parameters())


def test_separable_convolutions_have_one_norm():
    head = ProjectedASPPPlusHead(**PLUS, separable=True).double()
    depthwise = {name for name, module in head.named_modules() if isinstance(module, nn.Conv2d) and module.groups > 1}
    assert depthwise == {f'{name}.depthwise_conv.conv' for name in ('aspp_modules.1', 'aspp_modules.2', 'fusion')}
    convolutions = sum(isinstance(module, nn.Conv2d) for module in head.modules())
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in head.modules())
    assert norms == convolutions - len(depthwise) - 1  # the classifier has none
    assert [name for name, _ in head.named_parameters() if name.endswith('conv.bias')] == []


def test_dropout_follows_the_projection_and_zeroes_single_values():
    head = ProjectedASPPPlusHead(**PLUS, projection_dropout=0.5).double()
    assert head.dropout is None
    dropped = head.projection_dropout(torch.ones(1, 8, 40, 40)) == 0
    assert 0.4 < dropped.double().mean() < 0.6
    assert not dropped.all((2, 3)).any()
    seen = []
    head.projection_dropout.register_forward_hook(lambda module, args, output: seen.append(args[0].shape))
    head(maps())
    assert seen == [(2, 8, 6, 7)]


def test_pooled_branch_is_the_last_and_low_level_map_the_first():
    head = ProjectedASPPPlusHead(**PLUS).double().eval()
    calls = {}
    for name in ('bottleneck', 'fusion', 'c1_bottleneck'):
        module = getattr(head, name)
        module.register_forward_hook(lambda module, args, output, name=name: calls.update({name: (args[0], output)}))
    head(maps())
    branches = calls['bottleneck'][0].flatten(2)
    spread = (branches.amax(2) - branches.amin(2)).amax(0)
    assert spread.shape == (32,)
    assert spread[24:].max() < 1e-12 < spread[:8].max()
    assert torch.equal(calls['fusion'][0][:, :4], calls['c1_bottleneck'][1])


def test_probability_is_checked():
    with pytest.raises(ValueError, match='dropout probability'):
        ProjectedASPPPlusHead(**PLUS, projection_dropout=1.5).double()


# theirs to ours, written by hand
NAMES = {
    **{f'aspp.aspp{i + 1}.atrous_conv': f'aspp_modules.{i}.conv' for i in range(4)},
    **{f'aspp.aspp{i + 1}.bn': f'aspp_modules.{i}.bn' for i in range(4)},
    **{'aspp.global_avg_pool.1': 'image_pool.1.conv', 'aspp.global_avg_pool.2': 'image_pool.1.bn'},
    **{'aspp.conv1': 'bottleneck.conv', 'aspp.bn1': 'bottleneck.bn'},
    **{'decoder.conv1': 'c1_bottleneck.conv', 'decoder.bn1': 'c1_bottleneck.bn'},
    **{'decoder.last_conv.0': 'fusion.0.conv', 'decoder.last_conv.1': 'fusion.0.bn'},
    **{'decoder.last_conv.4': 'fusion.2.conv', 'decoder.last_conv.5': 'fusion.2.bn'},
    'decoder.last_conv.8': 'conv_seg',
}


def build_xception_head(channels, low_channels, output_stride, **kwargs):
    init_default_scope('mmseg')
    return DeepLabXceptionHead(
        in_channels=channels,
        c1_in_channels=low_channels,
        channels=16,
        c1_channels=3,
        dilations=(1, *ASPP_RATES[output_stride]),
        num_classes=5,
        norm_cfg=dict(type='BN'),
        **kwargs,
    ).double()


@pytest.mark.parametrize('sizes', [((4, 6), (16, 24)), ((5, 3), (18, 9))], ids=['even', 'odd'])
@pytest.mark.parametrize('output_stride', [8, 16])
def test_xception_head_computes_what_the_published_decoder_does(output_stride, sizes):
    published = Published('resnet', output_stride)
    high_size, low_size = sizes
    ours = [torch.rand(2, 16, *low_size).double(), torch.rand(2, 128, *high_size).double()]
    theirs = [map.clone().requires_grad_() for map in ours]
    ours = [map.requires_grad_() for map in ours]
    head = build_xception_head(128, 16, output_stride).eval()
    state = {}
    for key, value in published.state.items():
        module, _, tensor = key.rpartition('.')
        if not key.startswith('backbone.'):
            state[f'{NAMES[module]}.{tensor}'] = value
    head.load_state_dict(state, strict=True)

    actual = head(ours)
    expected = published.decoder(published.aspp(theirs[1]), theirs[0])

    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    weight = torch.rand_like(actual)
    gradients = torch.autograd.grad((actual * weight).sum(), ours)
    torch.testing.assert_close(gradients, torch.autograd.grad((expected * weight).sum(), theirs), rtol=1e-8, atol=1e-12)


def test_dropouts_of_the_xception_head_zero_single_values():
    head = build_xception_head(8, 4, 16)
    dropouts = [module for module in head.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]
    assert [type(dropout) for dropout in dropouts] == [nn.Dropout] * 3
    assert [dropout.p for dropout in dropouts] == [0.5, 0.5, 0.1]

    zeros = []
    for dropout in dropouts:
        dropout.register_forward_hook(
            lambda module, args, output: zeros.append((output[args[0] > 0] == 0).double().mean())
        )
    head([torch.rand(2, 4, 64, 64).double(), torch.rand(2, 8, 64, 64).double()])
    assert [round(share.item(), 1) for share in zeros] == [0.5, 0.5, 0.1]


def test_separable_xception_head():
    head = build_xception_head(8, 4, 16, separable=True)
    assert head.fusion[0].depthwise_conv.conv.groups == 16 + 3
    assert head([torch.rand(2, 4, 16, 16).double(), torch.rand(2, 8, 4, 4).double()]).shape == (2, 5, 16, 16)
