import json
from fractions import Fraction

import pytest
import timm
import torch
from torch import nn

import antialias_plugins as aap
from antialias_plugins.metrics import equivariance_error, equivariance_report


def circular(inside=1, outside=1, stride=1):
    return nn.Conv2d(inside, outside, 3, stride, 1, padding_mode='circular')


def images(count=1, channels=1, size=(16, 24)):
    return list(torch.randn(count, channels, *size, dtype=torch.float64))


@pytest.mark.parametrize('margin', [0, (1, 2)], ids=str)
def test_error_matches_a_loop(margin):
    still, moved = torch.randn(2, 2, 3, 6, 7, dtype=torch.float64)
    top, left = (margin, margin) if margin == 0 else margin
    difference = scale = 0
    for index in torch.cartesian_prod(*(torch.arange(side) for side in still.shape)).tolist():
        n, c, y, x = index
        if top <= y < 6 - top and left <= x < 7 - left:
            expected = still[n, c, (y - 2) % 6, (x + 1) % 7].item()
            difference += (moved[n, c, y, x].item() - expected) ** 2
            scale += expected**2
    assert equivariance_error(still, moved, (2, -1), margin) == pytest.approx((difference / scale) ** 0.5, rel=1e-12)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((torch.zeros(1, 4, 4), torch.zeros(1, 4, 5), (1, 1)), r'moved must have the shape \(1, 4, 4\) of still'),
        ((torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), (1, 1), 2), 'margin must leave a part of a map of 4x4, got 2'),
    ],
    ids=['shape', 'margin'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        equivariance_error(*arguments)


def test_circular_convolutions_without_subsampling_are_equivariant():
    network = nn.Sequential(circular(1, 4), nn.ReLU(), circular(4, 2)).double()
    report = equivariance_report(network, images(2), shifts=[1, (0, 5), (-3, 2)])
    assert [layer.name for layer in report.layers] == ['0', '1', '2']
    assert all(layer.error.shape == (2, 3) and layer.error.max() < 1e-13 for layer in report.layers)
    assert report.shifts == ((1, 1), (0, 5), (-3, 2))


def test_subsampling_commutes_with_multiples_of_the_stride_alone():
    network = nn.Sequential(circular(stride=2), nn.ReLU(), circular(stride=2)).double()
    error = {layer.name: layer.error[0] for layer in equivariance_report(network, images(), shifts=[4, 2, 1]).layers}
    assert error['0'][:2].max() == error['2'][0] == 0
    assert min(error['0'][2], *error['2'][1:]) > 0.1


def test_a_wave_that_survives_moves_by_a_fraction_and_one_that_does_not_turns_round():
    network = nn.Sequential(nn.MaxPool2d(1, 2))
    columns = torch.arange(16).double()
    slow = torch.cos(2 * torch.pi * 3 / 16 * columns).expand(1, 16, 16)
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 16, 16)
    (layer,) = equivariance_report(network, [slow, stripes], shifts=[(0, 1)]).layers
    assert layer.error[:, 0].tolist() == pytest.approx([0, 2], abs=1e-12)
    assert layer.mean == pytest.approx(1)
    assert layer.interval == pytest.approx((0, 1 + 12.7062), rel=1e-5)  # t of one degree of freedom, s / √2 = 1


def test_a_wider_filter_is_more_equivariant():
    means = []
    for pool in (None, 'lpf3', 'lpf5'):
        torch.manual_seed(0)
        network = timm.create_model('resnet18', num_classes=3).double()
        network = network if pool is None else aap.convert_antialias(network, pool)
        torch.manual_seed(0)
        layers = equivariance_report(network, images(1, 3, (32, 32)), ['layer2.1']).layers
        means.append(layers[0].mean)
    assert means == sorted(means, reverse=True)


def test_blocks_of_a_residual_network_by_default():
    network = timm.create_model('resnet18', num_classes=3)
    report = equivariance_report(network, images(1, 3, (64, 96)))
    blocks = [f'layer{stage}.{block}' for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert [layer.name for layer in report.layers] == ['conv1', 'bn1', 'act1', 'maxpool', *blocks, 'global_pool.pool']
    assert report.unseen == ()
    shown = {layer.name: layer for layer in report.layers}
    assert (shown['layer2.0'].kind, shown['layer2.0'].shape, shown['layer2.0'].stride) == (
        'BasicBlock',
        (128, 8, 12),
        (8, 8),
    )
    assert not any(module._forward_hooks for module in network.modules())


def test_maps_that_are_overwritten_in_place():
    quiet, loud = (nn.Sequential(circular(stride=2), nn.ReLU(inplace)).double() for inplace in (False, True))
    loud.load_state_dict(quiet.state_dict())
    image = images()
    first, second = (equivariance_report(network, image, margin=2).layers for network in (quiet, loud))
    assert [layer.error.tolist() for layer in first] == [layer.error.tolist() for layer in second]
    assert first[0].mean > 0


class Branches(nn.Module):
    """Shapes of every kind."""

    def __init__(self):
        super().__init__()
        self.shared, self.unused = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
        self.wide, self.odd = nn.Conv2d(1, 2, 1, (2, 1)), nn.Conv2d(1, 1, 2)
        self.up, self.pooled = nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(1)
        self.last = nn.Flatten()

    def forward(self, x):
        self.wide(x), self.odd(x), self.up(x)
        return self.last(self.pooled(self.shared(self.shared(x))))


def test_layers_are_chosen_by_pattern_and_refused_with_a_reason():
    report = equivariance_report(Branches(), images(), ['*'], margin=4)
    assert {layer.name: layer.stride for layer in report.layers} == {
        'wide': (Fraction(2), Fraction(1)),
        'up': (Fraction(1, 2), Fraction(1, 2)),
    }
    assert report.unseen == (
        'shared: runs 2 times',
        'unused: runs 0 times',
        'odd: its map of 15x23 has no regular grid on an image of 16x24',
        'pooled: a margin of 4 leaves nothing of its map of 1x1',
        'last: does not return a map (N, C, H, W)',
    )
    assert 'not measured: shared: runs 2 times' in str(report)
    assert [line.split('|')[3].strip() for line in str(report).splitlines()[2:4]] == ['2x1', '1/2']


def test_a_map_of_one_pixel_should_not_change():
    network = nn.Sequential(circular(), nn.AdaptiveAvgPool2d(1)).double()
    assert equivariance_report(network, images(), ['1']).layers[0].mean < 1e-13


def test_margin_in_pixels_of_the_image():
    network = nn.Sequential(nn.Conv2d(1, 1, 3, 1, 1), nn.MaxPool2d(2)).double()
    maps = [equivariance_report(network, images(), shifts=[2], margin=margin).layers for margin in (0, 3)]
    assert min(layer.mean for layer in maps[0]) > 0.01
    assert max(layer.mean for layer in maps[1]) < 1e-13


def test_ready_for_json():
    report = json.loads(json.dumps(equivariance_report(nn.Sequential(circular(stride=2)).double(), images()).as_dict()))
    (layer,) = report['layers']
    assert (layer['name'], layer['stride'], report['shifts']) == ('0', [2, 2], [[1, 1]])
    assert layer['mean'] == layer['error'][0][0]


def test_maps_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match='network must compute finite maps, got others at 0'):
        equivariance_report(nn.Sequential(circular()), [torch.full((1, 8, 8), torch.nan)])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(shifts=[]), 'shifts must hold at least one shift, got none'),
        (dict(layers=['no']), "layers must name modules of the network, 'no' matches none"),
        (dict(layers='0'), "layers must be a list of name patterns, got the string '0'"),
    ],
    ids=['shifts', 'layers', 'string'],
)
def test_bad_option(options, message):
    with pytest.raises(ValueError, match=message):
        equivariance_report(nn.Sequential(circular()), images(), **options)
