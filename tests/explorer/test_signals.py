import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from antialias_plugins import AdaptiveBlurPool2d
from antialias_plugins.explorer import filter_spread, load_network, measure_signals, predicted_filters
from antialias_plugins.explorer.signals import common_frames
from antialias_plugins.metrics import aliasing_report, equivariance_report


@pytest.fixture(scope='module')
def networks():
    networks = [load_network(name, size=64, seed=1, device='cpu') for name in ('resnet18', 'resnet18_lpf4')]
    return [replace(network, name=name) for network, name in zip(networks, ('plain', 'smooth'), strict=True)]


def test_both_reports_of_all_networks_on_the_same_pixels(networks, photograph):
    signals = measure_signals(networks, [photograph], layers=['layer1.*'], shifts=[2], margin=8, window=None)
    view = networks[0].prepare(Image.open(photograph), 0).double()
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    image = ((view / 255 - mean) / std).float()
    for network in networks:
        expected = aliasing_report(network.network, [image], window=None)
        assert signals.aliasing[network.name].sites[3].mean == pytest.approx(expected.sites[3].mean, rel=1e-3)
        layers = equivariance_report(network.network, [image], ['layer1.*'], shifts=[2], margin=8).layers
        assert [layer.name for layer in signals.equivariance[network.name].layers] == [layer.name for layer in layers]
        assert signals.equivariance[network.name].layers[0].mean == pytest.approx(layers[0].mean, rel=1e-3)
    assert signals.size == (64, 64)
    assert 'equivariance error under shifts of 2 down 2 right:' in str(signals)
    assert [line.split()[-4:] for line in str(signals).splitlines() if line.startswith('| place')] == [
        ['plain', '|', 'smooth', '|']
    ] * 2
    assert set(json.loads(json.dumps(signals.as_dict()))['aliasing']) == {'plain', 'smooth'}


def test_pictures_share_their_largest_centre():
    large, wide = torch.arange(70 * 90).view(1, 70, 90).expand(3, -1, -1), torch.zeros(3, 65, 130)
    first, second = common_frames([large, wide])
    assert first.shape == second.shape == (3, 64, 64)
    assert first[0, 0, 0] == 3 * 90 + 13


@pytest.mark.parametrize(
    ('chosen', 'pictures', 'message'),
    [
        ([], 1, 'names must be one or more and differ, got none'),
        ([0, 0], 1, 'names must be one or more and differ, got plain, plain'),
        ([0], 0, 'files must hold at least one picture, got none'),
    ],
    ids=['no network', 'same name', 'no picture'],
)
def test_what_is_wrong_is_named(chosen, pictures, message, networks, photograph):
    with pytest.raises(ValueError, match=message):
        measure_signals([networks[index] for index in chosen], [photograph] * pictures)


def test_a_picture_without_a_grid_is_named():
    with pytest.raises(ValueError, match='pictures must be at least 32x32, got 20x99, 64x64'):
        common_frames([torch.zeros(3, 64, 64), torch.zeros(3, 20, 99)])


@pytest.mark.parametrize('softmax', ['group', 'joint'])
def test_the_taps_are_those_that_the_layer_applies(softmax):
    layer = AdaptiveBlurPool2d(8, filt_size=3, stride=2, groups=4, softmax=softmax).double().eval()
    nn.init.normal_(layer.bn.running_mean)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), layer).double().eval()
    image = torch.randn(1, 3, 15, 18, dtype=torch.float64)
    taps = predicted_filters(lambda: network(image), layer)
    with torch.no_grad():
        padded = functional.pad(network[0](image), (1, 1, 1, 1), mode='reflect')
        windows = functional.unfold(padded, 3, stride=2).view(4, 2, 9, *taps.shape[2:])
        expected = network(image)[0]
    assert taps.shape == (4, 9, 7, 8)
    torch.testing.assert_close((windows * taps[:, None]).sum(2).flatten(0, 1), expected, rtol=1e-12, atol=1e-12)


def test_a_layer_that_does_not_run_is_an_error_and_no_hook_stays():
    layer = AdaptiveBlurPool2d(8)
    with pytest.raises(ValueError, match='layer must be part of what runs, but it was not called'):
        predicted_filters(lambda: None, layer)
    assert not layer.bn._forward_hooks


def test_a_spread_against_a_loop():
    taps = torch.rand(2, 25, 3, 4, dtype=torch.float64)
    spread = filter_spread(taps)
    for group, row, column in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
        weights = taps[group, :, row, column].tolist()
        points = [divmod(tap, 5) for tap in range(25)]
        total = sum(weights)
        centre = [sum(w * p[axis] for w, p in zip(weights, points, strict=True)) / total for axis in (0, 1)]
        square = sum(
            w * ((p[0] - centre[0]) ** 2 + (p[1] - centre[1]) ** 2) for w, p in zip(weights, points, strict=True)
        )
        assert spread[group, row, column].item() == pytest.approx((square / total) ** 0.5, rel=1e-12)


@pytest.mark.parametrize(
    ('taps', 'spread'),
    [
        ([0, 0, 0, 0, 1, 0, 0, 0, 0], 0),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0.3], 0),
        ([0, 0, 0, 1, 0, 1, 0, 0, 0], 1),
        ([1, 0, 0, 0, 0, 0, 0, 0, 1], 2**0.5),
        ([1, 2, 1, 2, 4, 2, 1, 2, 1], 1),
    ],
    ids=['one pixel', 'corner', 'left and right', 'two corners', 'binomial'],
)
def test_spreads_known_by_hand(taps, spread):
    assert filter_spread(torch.tensor(taps, dtype=torch.float64).view(1, 9, 1, 1)).item() == pytest.approx(spread)


def test_taps_that_are_no_square_are_named():
    with pytest.raises(ValueError, match=r'taps must hold K \* K values, got 8'):
        filter_spread(torch.ones(1, 8, 2, 2))
