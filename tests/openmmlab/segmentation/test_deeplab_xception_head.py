"""The decoder of pytorch-deeplab-xception against functions of its layers."""

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from antialias_plugins.openmmlab.segmentation.deeplab_heads import DeepLabXceptionHead
from tests.openmmlab.segmentation.published_deeplab import ASPP_RATES, Published

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


def build(channels, low_channels, output_stride, **kwargs):
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
def test_values_and_gradients(output_stride, sizes):
    published = Published('resnet', output_stride)
    high_size, low_size = sizes
    ours = [torch.rand(2, 16, *low_size).double(), torch.rand(2, 128, *high_size).double()]
    theirs = [map.clone().requires_grad_() for map in ours]
    ours = [map.requires_grad_() for map in ours]
    head = build(128, 16, output_stride).eval()
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


def test_dropouts_zero_single_values():
    head = build(8, 4, 16)
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


def test_separable():
    head = build(8, 4, 16, separable=True)
    assert head.fusion[0].depthwise_conv.conv.groups == 16 + 3
    assert head([torch.rand(2, 4, 16, 16).double(), torch.rand(2, 8, 4, 4).double()]).shape == (2, 5, 16, 16)
