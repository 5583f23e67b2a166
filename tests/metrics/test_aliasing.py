import json

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

import antialias_plugins as aap
from antialias_plugins.metrics import aliasing_report, side_by_side

STRIPES = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 16, 16)


def shares(report):
    return {site.name: site.share.tolist() for site in report.sites}


def random_images(count=2, side=64):
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
    network, images = Small().double().eval(), random_images()
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

    network, (image,) = Stuck().double(), random_images(1)
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
    images, reports = random_images(), {}
    for pool in (None, 'lpf3', 'lpf5', 'flc'):
        torch.manual_seed(1)
        network = timm.create_model('resnet18', num_classes=3).double()
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
        if name == 'conv1':
            assert len(set(values)) == 1
        else:
            assert values == sorted(values, reverse=True) and values[2] < values[0] / 3


def test_an_ideal_filter_leaves_nothing(reports):
    assert max(site.mean for site in reports['flc'].sites if site.name != 'conv1') < 1e-20


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
    assert row.split()[3] == 'conv' and '128×16×16' in row and row.count(' ± ') == 2


def test_a_place_that_one_network_lacks_shows_a_dash(reports):
    table = side_by_side({'plain': reports['plain'].sites, 'less': reports['lpf3'].sites[1:]})
    (row,) = [line for line in table.splitlines() if line.startswith('| conv1 ')]
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
    assert [(site.name, site.shape[1]) for site in report.sites] == [
        ('1', 63),
        ('1 (call 2)', 31),
    ]  # windows of two pixels


def test_the_network_stays_as_it_is():
    network = timm.create_model('resnet18', num_classes=3).train()
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
