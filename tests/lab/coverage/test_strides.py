from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from antialias_plugins import convert_antialias
from lab.coverage import Network
from lab.coverage.strides import has_only_a_stem, strided_places


class Hidden(nn.Module):
    """Pools by a function: no module says so."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return F.max_pool2d(self.inner(x), 2)


def network():
    """Strides in 0, 2, 3 and 5; 4 is dense, 6 makes the map larger, 7 is no map."""
    layers = [nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AvgPool2d(2), Hidden(), nn.MaxPool2d(3, stride=1)]
    layers += [nn.Conv2d(4, 4, 2, stride=(1, 2)), nn.ConvTranspose2d(4, 4, 2, stride=2)]
    return nn.Sequential(*layers, nn.Sequential(nn.Flatten(2), nn.AvgPool1d(2)))


def test_places_are_those_that_stride():
    assert strided_places(network(), torch.rand(1, 3, 64, 64)) == {'0', '2', '3', '5'}


def test_the_network_is_as_before():
    model, x = network(), torch.rand(1, 3, 64, 64)
    strided_places(model, x)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(RuntimeError):
        strided_places(model, torch.rand(1, 5, 64, 64))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_filters_do_not_count():
    conv = partial(nn.Conv2d, kernel_size=3, stride=2, padding=1)
    model = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 8), nn.ReLU(), conv(8, 8), nn.ReLU()).eval()
    x = torch.rand(1, 3, 64, 64)
    assert strided_places(model, x) == {'0', '2', '4'}
    convert_antialias(model, 'lpf3', skip=['4'])
    assert strided_places(model, x) == {'0', '4'}


@pytest.mark.parametrize(
    ('build', 'expected'),
    [
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.GELU()), True),
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(8, 8, 2, stride=2)), False),
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)), False),
        (lambda: nn.Linear(3, 3), False),
    ],
    ids=['patches', 'two', 'pool', 'fails'],
)
def test_only_a_stem(build, expected):
    assert has_only_a_stem(Network('timm', 'module', 'name', 'name', build)) is expected
