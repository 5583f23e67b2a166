import cmath
from math import cos, pi

import pytest
import torch

from antialias_plugins.metrics import aliased_share, power_spectrum, radial_average


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
STRIPES = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 1, 8, 8)
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
        (STRIPES, (1, 2), 1),
        (STRIPES, (2, 1), 0),
        (torch.ones(1, 2, 6, 9), (2, 3), 0),
        (torch.zeros(1, 1, 4, 4), (2, 2), 0),
        (IMPULSE, (2, 2), 1 - (5 / 8) ** 2),  # all frequencies alike; -2 … 2 of -3 … 4 stay along each axis
        (IMPULSE, (2, 1), 1 - 5 / 8),
        (torch.cat([CHECKERBOARD, 2 + 0 * CHECKERBOARD], 1), (2, 2), 1 / 5),  # energies 1 and 4
    ],
    ids=str,
)
def test_counted_by_hand(maps, stride, share):
    assert aliased_share(power_spectrum(maps), stride).tolist() == pytest.approx([share], abs=1e-15)


@pytest.mark.parametrize('stride', [2, 3, 4])
@pytest.mark.parametrize('periods', range(1, 8))
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


@pytest.mark.parametrize('periods', range(9))
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
        ((torch.zeros(3, 4, 4),), r'maps must have shape \(N, C, H, W\), got \(3, 4, 4\)'),
        ((torch.zeros(1, 3, 4, 4), 'hamming'), "window must be None or 'hann', got 'hamming'"),
    ],
    ids=['shape', 'window'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        power_spectrum(*arguments)
