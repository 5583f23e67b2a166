"""Spectra against a loop and NumPy; aliasing of networks, place by place."""

import cmath
import json
from math import cos, pi

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

import antialias_plugins as aap
from antialias_plugins.metrics import aliased_share, aliasing_report, power_spectrum, radial_average, side_by_side


def slow_power(maps, window):
    """The definition, one coefficient at a time."""
    count, channels, height, width = maps.shape
    fade = (lambda n, side: 0.5 - 0.5 * cos(2 * pi * n / side)) if window else (lambda n, side: 1)
    power = torch.zeros(count, height, width, dtype=torch.float64)
    for n in range(count):
        for c in range(channels):
            for k in range(height):
                for l in range(width):  # noqa: E741
                    total = 0
                    for y in range(height):
                        for x in range(width):
                            value = maps[n, c, y, x].item() * fade(y, height) * fade(x, width)
                            total += value * cmath.exp(-2j * pi * (k * y / height + l * x / width))
                    power[n, k, l] += abs(total) ** 2 / (height * width)
    return power


def wave(periods, side=16, phase=0.3):
    """A wave along the horizontal axis."""
    return torch.cos(2 * pi * periods / side * torch.arange(side).double() + phase).expand(1, 1, side, side)


CHECKERBOARD = (1.0 - 2 * ((torch.arange(8)[:, None] + torch.arange(8)) % 2)).expand(1, 1, 8, 8)

WAVE_STRIPES = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 1, 8, 8)

IMPULSE = torch.zeros(1, 1, 8, 8).index_put_(
    (torch.tensor(0), torch.tensor(0), torch.tensor(3), torch.tensor(5)), torch.tensor(7.0)
)


@pytest.mark.parametrize('window', [None, 'hann'])
def test_matches_a_loop(window):
    maps = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(power_spectrum(maps, window), slow_power(maps, window), rtol=1e-10, atol=1e-12)


def test_parseval():
    maps = torch.randn(2, 3, 7, 10, dtype=torch.float64)
    torch.testing.assert_close(power_spectrum(maps).sum((1, 2)), maps.square().sum((1, 2, 3)), rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    ('maps', 'stride', 'share'),
    [
        (CHECKERBOARD, (2, 2), 1),
        (CHECKERBOARD, (1, 2), 1),
        (CHECKERBOARD, (1, 1), 0),
        (CHECKERBOARD + 1, (2, 2), 0.5),
        (WAVE_STRIPES, (1, 2), 1),
        (WAVE_STRIPES, (2, 1), 0),
        (torch.ones(1, 2, 6, 9), (2, 3), 0),
        (torch.zeros(1, 1, 4, 4), (2, 2), 0),
        (IMPULSE, (2, 2), 1 - (5 / 8) ** 2),  # all frequencies alike; -2 … 2 of -3 … 4 stay along each axis
        (IMPULSE, (2, 1), 1 - 5 / 8),
        (torch.cat([CHECKERBOARD, 2 + 0 * CHECKERBOARD], 1), (2, 2), 1 / 5),  # energies 1 and 4
    ],
    ids=str,
)
def test_share_counted_by_hand(maps, stride, share):
    assert aliased_share(power_spectrum(maps), stride).tolist() == pytest.approx([share], abs=1e-15)


@pytest.mark.parametrize(('periods', 'stride'), [(1, 4), (5, 2), (7, 2), (3, 3), (5, 3), (2, 4), (4, 4)])
def test_a_wave_aliases_where_its_period_is_below_two_of_the_new_pixels(periods, stride):
    share = aliased_share(power_spectrum(wave(periods, side=24)), (1, stride)).item()
    assert share == pytest.approx(float(24 / periods < 2 * stride), abs=1e-12)


def test_an_ideal_low_pass_leaves_nothing():
    spectrum = torch.fft.fft2(torch.randn(2, 3, 12, 18, dtype=torch.float64))
    spectrum[:, :, 4:9] = 0
    spectrum[:, :, :, 5:14] = 0
    assert aliased_share(power_spectrum(torch.fft.ifft2(spectrum).real), (2, 2)).max() < 1e-30


def test_maps_that_are_not_finite_have_no_share():
    maps = torch.stack([torch.ones(1, 4, 4), torch.full((1, 4, 4), torch.inf)])
    assert aliased_share(power_spectrum(maps), (2, 2)).isfinite().tolist() == [True, False]


@pytest.mark.parametrize('periods', [0, 1, 5, 8])
def test_a_wave_lands_in_its_ring(periods):
    frequency, power = radial_average(power_spectrum(wave(periods)))
    assert frequency.tolist() == [ring / 16 for ring in range(9)]
    assert (power[0] > 1e-20).nonzero().flatten().tolist() == [periods]


@pytest.mark.parametrize('shape', [(8, 8), (7, 10), (12, 5)], ids=str)
def test_a_flat_spectrum_is_one_everywhere(shape):
    maps = torch.zeros(2, 1, *shape)
    maps[:, 0, 1, 2] = torch.tensor([3.0, -0.1])
    frequency, power = radial_average(power_spectrum(maps))
    assert frequency.tolist() == pytest.approx([ring / min(shape) for ring in range(min(shape) // 2 + 1)])
    torch.testing.assert_close(power, torch.ones_like(power))


def test_rings_match_a_loop():
    power = torch.rand(1, 6, 9, dtype=torch.float64)
    rings = [[] for _ in range(6)]
    for k in range(6):
        for l in range(9):  # noqa: E741
            radius = abs(complex(min(k, 6 - k) / 6, min(l, 9 - l) / 9))
            rings[round(6 * radius)].append(power[0, k, l].item())
    expected = [sum(ring) / len(ring) / power.mean().item() for ring in rings[:4]]
    assert radial_average(power)[1][0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((torch.zeros(3, 4, 4),), r'maps must have shape \(B, C, H, W\), got \(3, 4, 4\)'),
        ((torch.zeros(1, 3, 4, 4), 'hamming'), "window must be None or 'hann', got 'hamming'"),
    ],
    ids=['shape', 'window'],
)
def test_bad_spectrum(arguments, message):
    with pytest.raises(ValueError, match=message):
        power_spectrum(*arguments)


STRIPES = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 16, 16)


def shares(report):
    return {site.name: site.share.tolist() for site in report.sites}


def random_images(count=2, side=32):
    return list(torch.randn(count, 3, side, side, dtype=torch.float64))


class Small(nn.Module):
    """A strided convolution on the image, one further down, a pool of the whole map, and one that is a function."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.conv = nn.Conv2d(4, 6, 3, 2, 1)
        self.bn = nn.BatchNorm2d(6)
        self.relu = nn.ReLU()
        self.pool = nn.AvgPool2d(8)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(self.stem(x))))
        return self.pool(F.max_pool2d(x, 2))


def test_matches_numpy_on_the_dense_maps():
    """A convolution is measured behind its activation; the first one, which is not filtered, where it is."""
    network, images = Small().double().eval(), random_images(side=64)
    report = aliasing_report(network, images, window=None)
    for index, image in enumerate(images):
        small = F.conv2d(image[None], network.stem.weight, network.stem.bias, 1, 1)
        large = network.bn(F.conv2d(network.stem(image[None]), network.conv.weight, network.conv.bias, 1, 1)).relu()
        for name, dense in (('stem', small), ('conv', large)):
            power = np.abs(np.fft.fft2(dense[0].detach().numpy())) ** 2
            rows, columns = (np.abs(np.fft.fftfreq(side)) > 0.25 for side in power.shape[1:])
            expected = power[:, rows[:, None] | columns].sum() / power.sum()
            assert shares(report)[name][index] == pytest.approx(expected, rel=1e-9)


def test_a_place_that_cannot_be_filtered_is_measured_where_it_is():
    class Stuck(Small):
        def forward(self, x):
            return self.conv(self.stem(x)).relu().mean((2, 3))

    network, (image,) = Stuck().double(), random_images(1, 64)
    dense = F.conv2d(network.stem(image[None]), network.conv.weight, network.conv.bias, 1, 1)
    power = np.abs(np.fft.fft2(dense[0].detach().numpy())) ** 2
    kept = power[:, [*range(9), *range(24, 32)]][:, :, [*range(9), *range(24, 32)]].sum()
    (share,) = shares(aliasing_report(network, [image], window=None))['conv']
    assert share == pytest.approx(1 - kept / power.sum(), rel=1e-9)


def test_pools_of_the_whole_map_keep_everything_and_functions_are_named():
    report = aliasing_report(Small(), [torch.randn(3, 64, 64)])
    assert list(shares(report)) == ['stem', 'conv']
    assert report.unseen == ('max_pool2d: a function, not a module, does the striding',)
    assert 'not measured: max_pool2d: a function' in str(report)


@pytest.mark.parametrize('window', [None, 'hann'])
@pytest.mark.parametrize(
    ('pool', 'image', 'share'),
    [
        (nn.MaxPool2d(1, 2), STRIPES, 1),
        (nn.MaxPool2d(1, 2), STRIPES * 0 + 3, 0),
        (nn.MaxPool2d(1, (2, 1)), STRIPES, 0),
        (nn.AvgPool2d(2), STRIPES + 1, 0),  # the average of neighbours is constant
        (aap.BlurPool2d(1, 3, padding_mode='circular'), STRIPES + 1, 0),
        (aap.BlurPool2d(1, 1), STRIPES, 1),
    ],
    ids=['stripes', 'constant', 'other-axis', 'average', 'blur', 'blur-of-one-tap'],
)
def test_counted_by_hand(pool, image, share, window):
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), pool)
    nn.init.ones_(network[0].weight)
    (site,) = aliasing_report(network, [image], window=window).sites
    assert site.mean == pytest.approx(share, abs=1e-12)
    assert site.interval is None
    assert (site.name, site.shape[0]) == ('1', 1)


@pytest.fixture(scope='module')
def reports():
    """One network with random weights, plain and with three filters."""
    torch.manual_seed(0)
    images, reports = random_images(side=64), {}
    for pool in (None, 'lpf3', 'lpf5', 'flc'):
        torch.manual_seed(1)
        network = timm.create_model('resnet10t', num_classes=3).double()
        network = network if pool is None else aap.convert_antialias(network, pool)
        reports[pool or 'plain'] = aliasing_report(network, images, window=None if pool == 'flc' else 'hann')
    return reports


def test_a_wider_filter_leaves_less(reports):
    *filtered, others = [
        {site.name: site.mean for site in reports[name].sites} for name in ('plain', 'lpf3', 'lpf5', 'plain')
    ]
    assert len(others) == 8
    for name in others:
        values = [column[name] for column in filtered]
        if name == 'conv1.0':
            assert len(set(values)) == 1
        else:
            assert values == sorted(values, reverse=True) and values[2] < values[0] / 3


def test_an_ideal_filter_leaves_nothing(reports):
    assert max(site.mean for site in reports['flc'].sites if site.name != 'conv1.0') < 1e-20


def test_networks_side_by_side(reports):
    table = side_by_side({name: reports[name].sites for name in ('plain', 'lpf3')}).splitlines()
    assert [cell.strip() for cell in table[0].strip('|').split('|')] == [
        'place',
        'kind',
        'stride',
        'map',
        'plain',
        'lpf3',
    ]
    row = next(line for line in table if 'layer2.0.conv1' in line)
    assert row.split()[3] == 'conv' and '128×16×16' in row and row.count('] %') == 2


def test_a_place_that_one_network_lacks_shows_a_dash(reports):
    table = side_by_side({'plain': reports['plain'].sites, 'less': reports['lpf3'].sites[1:]})
    (row,) = [line for line in table.splitlines() if line.startswith('| conv1.0 ')]
    assert row.endswith('– |')


def test_ready_for_json(reports):
    site = json.loads(json.dumps(reports['lpf3'].as_dict()))['sites'][1]
    assert (site['name'], site['filter'], site['stride'], site['shape']) == (
        'maxpool',
        'BlurPool2d(3)',
        [2, 2],
        [64, 32, 32],
    )
    assert len(site['share']) == 2 and len(site['frequency']) == len(site['power']) == 17


def test_spectrum_is_the_mean_over_images():
    images = random_images(3)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)).double()
    together, *alone = [aliasing_report(network, part).sites[0] for part in (images, *([image] for image in images))]
    assert together.share.tolist() == [site.share.item() for site in alone]
    torch.testing.assert_close(together.power, torch.stack([site.power for site in alone]).mean(0))


def test_a_module_that_runs_twice_is_two_places():
    pool, conv = nn.MaxPool2d(2), nn.Conv2d(3, 3, 1)
    report = aliasing_report(nn.Sequential(conv, pool, nn.Sequential(pool)), random_images(1))
    assert [(site.name, site.shape[1]) for site in report.sites] == [('1', 31), ('1 (call 2)', 15)]


def test_the_network_stays_as_it_is():
    network = Small().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    aliasing_report(network, [torch.randn(3, 64, 64)])
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        ([], 'images must hold at least one image, got none'),
        (
            [torch.zeros(3, 8, 8), torch.zeros(3, 9, 8)],
            r'got \(3, 8, 8\) of torch.float32, \(3, 9, 8\) of torch.float32',
        ),
        ([torch.zeros(3, 8, 8, dtype=torch.uint8)], r'must be floating-point .* got \(3, 8, 8\) of torch.uint8'),
        ([torch.full((3, 16, 16), torch.nan)], 'network must compute finite maps, got others at 0'),
    ],
    ids=['none', 'sizes', 'type', 'nan'],
)
def test_bad_images(images, message):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2))
    with pytest.raises(ValueError, match=message):
        aliasing_report(network, images)
