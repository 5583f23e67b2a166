import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from antialias_plugins.explorer import load_network, measure_signals
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
