import pytest
import torch
from torch import nn
from torch.nn import functional

from antialias_plugins import AdaptiveBlurPool2d
from lab.gallery.filters import filter_spread, predicted_filters


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
