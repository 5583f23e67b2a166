"""Modules that pad as TensorFlow's 'same' does: the padding depends on the stride, and stays when the stride goes."""

import copy
import pickle

import pytest
import timm
import torch
from timm.layers import AvgPool2dSame, Conv2dSame, StdConv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from torch import nn
from torch.nn import functional as F

from antialias_plugins import convert_antialias, plan_antialias, revert_antialias
from antialias_plugins.functional import blur_pool2d

SIZES = [(16, 16), (17, 15), (18, 23)]
LAYERS = {
    'k3': lambda: Conv2dSame(8, 8, 3, 2, bias=False),
    'k5': lambda: Conv2dSame(8, 8, 5, 2),
    'k4': lambda: Conv2dSame(8, 8, 4, 2),
    'dilated': lambda: Conv2dSame(8, 8, 3, 2, dilation=2),
    'anisotropic': lambda: Conv2dSame(8, 8, 3, (2, 1)),
    'depthwise': lambda: Conv2dSame(8, 8, 3, 2, groups=8),
    'standardised': lambda: StdConv2dSame(8, 8, 3, 2),
    'max pool': lambda: MaxPool2dSame(3, 2),
    'even max pool': lambda: MaxPool2dSame(2, 2),
    'average pool': lambda: AvgPool2dSame(3, 2),
}


def network(layer: nn.Module) -> nn.Module:
    """A stem, the layer with an activation behind it, and a reader."""
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), layer, nn.ReLU(), nn.Conv2d(8, 4, 1)).double().eval()


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('name', LAYERS)
def test_a_filter_of_one_tap_changes_nothing(name, size):
    model = network(LAYERS[name]())
    x = torch.rand(2, 3, *(2 * n for n in size), dtype=torch.float64)
    expected = model(x)
    convert_antialias(model, 'lpf1', avgpool='keep')
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)
    revert_antialias(model)
    assert torch.equal(model(x), expected)
    assert model[1].stride == LAYERS[name]().stride


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_the_filter_sees_the_dense_map_from_where_the_strided_one_begins(size):
    """Of three taps at stride 2, 'same' pads one on the right of an even side, and one on both sides of an odd one."""
    model = network(Conv2dSame(8, 8, 3, 2))
    stem, conv, relu, head = copy.deepcopy(model)
    x = torch.rand(2, 3, *(2 * n for n in size), dtype=torch.float64)
    top, left = (1 if n % 2 == 0 else 0 for n in size)
    full = F.conv2d(stem(x), conv.weight, conv.bias, padding=1)
    expected = head(blur_pool2d(relu(full[..., top:, left:]), 3, 2))
    torch.testing.assert_close(convert_antialias(model, 'lpf3')(x), expected)


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_an_average_pool_becomes_the_filter(size):
    model = network(AvgPool2dSame(3, 2))
    x = torch.rand(2, 3, *(2 * n for n in size), dtype=torch.float64)
    expected = model[3](F.relu(blur_pool2d(model[0](x), 3, 2)))
    torch.testing.assert_close(convert_antialias(model, 'lpf3')(x), expected)


def test_a_reader_can_pad_so_too():
    """A convolution that carries the filter of the one before it, and strides itself."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.relu, self.last = nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.ReLU()
            self.first, self.second, self.head = (Conv2dSame(8, 8, 3, 2) for _ in 'abc')

        def forward(self, x):
            return self.head(self.last(self.second(self.relu(self.first(self.relu(self.stem(x)))))))

    model = Shared().double().eval()
    assert plan_antialias(model).sites[0].position == 'before second'
    x = torch.rand(1, 3, 90, 76, dtype=torch.float64)
    expected = model(x)
    convert_antialias(model, 'lpf1')
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)
    revert_antialias(model)
    assert torch.equal(model(x), expected)


def test_survives_copy_pickle_and_trace():
    model = convert_antialias(timm.create_model('tf_mobilenetv3_small_minimal_100', num_classes=4).eval(), 'lpf4')
    x = torch.rand(1, 3, 64, 64)
    expected = model(x)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
    assert torch.equal(copy.deepcopy(model)(x), expected)
    torch.testing.assert_close(torch.jit.trace(model, x, check_trace=False)(x), expected)
