"""Circular borders: a network commutes exactly with circular shifts by its output stride, and nothing else changes."""

import copy

import pytest
import timm
import torch
import torchvision
from timm.layers.pool2d_same import MaxPool2dSame
from torch import nn

from antialias_plugins import AntialiasWarning, UnsupportedModelError, convert_antialias, revert_antialias

NETWORKS = {
    'resnet18': lambda: torchvision.models.resnet18(num_classes=10),
    'resnet26d': lambda: timm.create_model('resnet26d', num_classes=10, channels=(8, 16, 32, 64)),
    'mobilenet_v2': lambda: torchvision.models.mobilenet_v2(num_classes=10),
    'regnetx_002': lambda: timm.create_model('regnetx_002', num_classes=10),
}


class Pools(nn.Module):
    """Pools beside the one that downsamples."""

    def __init__(self, pool):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding='same')
        self.relu = nn.ReLU()
        self.pool = pool
        self.down = nn.MaxPool2d(3, 2, 1)

    def forward(self, x):
        return self.down(self.pool(self.relu(self.conv(x))))


class WeightStandardizedConv(nn.Conv2d):
    """Has a forward of its own, which knows nothing of the padding mode."""

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight - self.weight.mean(), None, self.stride, self.padding)


def shift_error(model, images, shift):
    with torch.no_grad():
        still, moved = model(images), model(images.roll(shift, (2, 3)))
    return float((still - moved).abs().max() / still.abs().max())


@pytest.mark.parametrize(
    ('name', 'pool'),
    [('resnet18', 'lpf1'), ('resnet26d', 'flc'), ('mobilenet_v2', 'lpf4'), ('regnetx_002', 'lpf3')],
)
def test_logits_do_not_change_under_shifts_by_the_output_stride(name, pool):
    model = convert_antialias(NETWORKS[name]().double().eval(), pool, stem=True, padding='circular')
    images = torch.rand(2, 3, 96, 64, dtype=torch.float64)
    assert max(shift_error(model, images, shift) for shift in ((32, 0), (0, 32), (-64, 32))) <= 1e-12
    assert shift_error(model, images, (1, 0)) > 1e-6


def test_they_do_without():
    model = convert_antialias(NETWORKS['resnet18']().double().eval(), 'lpf4', stem=True)
    assert shift_error(model, torch.rand(2, 3, 96, 64, dtype=torch.float64), (32, 0)) > 1e-6


@pytest.mark.parametrize('pool', [nn.MaxPool2d(3, 1, 1), nn.MaxPool2d(2, 1), nn.MaxPool2d(5, 1, 2)], ids=repr)
def test_pools_without_a_filter_wrap_around(pool):
    model = convert_antialias(Pools(pool).double().eval(), 'lpf3', padding='circular')
    images = torch.rand(1, 3, 16, 12, dtype=torch.float64)
    with torch.no_grad():
        still, moved = model(images), model(images.roll((2, -4), (2, 3)))
    torch.testing.assert_close(moved, still.roll((1, -2), (2, 3)), rtol=0, atol=1e-12)
    assert still.shape == (1, 4, 8, 6)


def test_dense_maximum_is_that_of_the_wrapped_map():
    model = convert_antialias(Pools(nn.Identity()).eval(), 'lpf1', padding='circular')
    map = torch.rand(1, 4, 6, 8)
    expected = torch.stack([map.roll((dy, dx), (2, 3)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]).amax(0)[
        ..., ::2, ::2
    ]
    assert torch.equal(model.down(map), expected)


@pytest.mark.parametrize(
    ('pool', 'message'),
    [
        (nn.AvgPool2d(3, 1, 1), r'pool: averages beyond the border: padding="circular" cannot change it'),
        (nn.Conv2d(4, 4, 3), 'pool: does not wrap around'),
        (WeightStandardizedConv(4, 4, 3, padding=1), 'pool: does not wrap around'),
        (nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3)), 'pool.1: does not wrap around'),
    ],
    ids=['average', 'valid', 'own-forward', 'padded-before'],
)
def test_other_borders_are_refused(pool, message):
    model = Pools(pool)
    before = copy.deepcopy(model)
    with pytest.raises(UnsupportedModelError, match=message):
        convert_antialias(model, 'lpf3', padding='circular')
    assert repr(model) == repr(before)


def test_or_left_with_a_warning():
    model = Pools(nn.AvgPool2d(3, 1, 1))
    with pytest.warns(AntialiasWarning, match='pool: averages beyond the border'):
        convert_antialias(model, 'lpf3', padding='circular', on_unsupported='warn')
    assert model.conv.padding_mode == 'circular'


def test_a_max_pool_that_pads_by_its_stride_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), MaxPool2dSame(3, 2))
    with pytest.raises(UnsupportedModelError, match='2: pads by its stride: padding="circular" cannot change it'):
        convert_antialias(model, 'lpf3', padding='circular')


def test_borders_of_pools_alone():
    model = convert_antialias(torchvision.models.resnet18(num_classes=10).eval(), 'lps3', padding='pools')
    assert {conv.padding_mode for name, conv in model.named_modules() if isinstance(conv, nn.Conv2d)} == {'zeros'}
    map = torch.rand(1, 64, 6, 8)
    dense = torch.stack([map.roll((dy, dx), (2, 3)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]).amax(0)
    assert model.maxpool.aa.padding_mode == 'circular'
    assert torch.equal(model.maxpool(map), model.maxpool.aa(dense))


def test_pools_whose_border_cannot_wrap_are_refused_and_convolutions_are_not():
    with pytest.raises(UnsupportedModelError, match='averages beyond the border: padding="pools" cannot change it'):
        convert_antialias(Pools(nn.AvgPool2d(3, 1, 1)), 'lpf3', padding='pools')
    convert_antialias(Pools(nn.Conv2d(4, 4, 3)), 'lpf3', padding='pools')


@pytest.mark.parametrize('name', ['resnet26d', 'mobilenet_v2'])
def test_revert_brings_the_borders_back(name):
    model = NETWORKS[name]().double().eval()
    images = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    expected, description = model(images), repr(model)
    converted = copy.deepcopy(convert_antialias(model, 'lpf3', padding='circular'))
    assert not torch.equal(converted(images), expected)
    for reverted in (revert_antialias(model), revert_antialias(converted)):
        assert torch.equal(reverted(images), expected)
        assert repr(reverted) == description


def test_option_is_checked():
    with pytest.raises(ValueError, match="padding must be 'keep', 'pools' or 'circular', got 'zeros'"):
        convert_antialias(torchvision.models.resnet18(), padding='zeros')
