import pytest
import torch

from antialias_plugins.layers import BlurPool2d
from lab.comparison import METHODS, Method
from lab.comparison.method import build_network


@pytest.mark.parametrize(
    ('name', 'pool', 'is_circular'),
    [
        ('baseline', None, False),
        ('baseline-circular', None, True),
        ('lpf5', 'lpf5', False),
        ('aps2-circular', 'aps2', True),
    ],
)
def test_names(name, pool, is_circular):
    method = Method(name)
    assert (method.pool, method.is_circular) == (pool, is_circular)


def test_every_family_of_filters_is_compared():
    pools = {Method(name).pool for name in METHODS}
    assert pools == {None, 'lpf3', 'ddac3', 'aps3', 'lps3', 'flc', 'tips'}
    assert len(set(METHODS)) == len(METHODS)


@pytest.mark.parametrize('name', ['lpx3', 'circular', 'lpf3_circular', ''])
def test_unknown_names(name):
    with pytest.raises(ValueError, match='pool must be one of'):
        Method(name)


def test_all_methods_begin_with_the_same_weights():
    baseline = build_network(Method('baseline'), 0).state_dict()
    for name in METHODS:
        found = build_network(Method(name), 0).state_dict()
        assert all(torch.equal(found[key], value) for key, value in baseline.items()), name


def test_seed_decides_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (build_network(Method('lps3'), seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first['fc.weight'], other['fc.weight'])
    assert not torch.equal(first['layer2.0.aa.conv1.weight'], other['layer2.0.aa.conv1.weight'])


def test_filters_stand_at_every_place_that_downsamples():
    layers = [m for m in build_network(Method('lpf3'), 0).modules() if isinstance(m, BlurPool2d)]
    assert len(layers) == 8  # stem, max pool, and the main and skip paths of three blocks


@pytest.mark.parametrize('name', METHODS)
def test_shifts_by_the_whole_stride_need_circular_borders_only(name):
    network = build_network(Method(name), 0).eval()
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        still, moved = (network.forward_features(x) for x in (image, image.roll((32, 32), (2, 3))))
    exact = torch.allclose(moved.roll((1, 1), (2, 3)), still, atol=1e-5)
    assert exact == name.endswith('-circular')


@pytest.mark.parametrize(('name', 'is_exact'), [('aps3-circular', True), ('lps3-circular', True), ('lpf3', False)])
def test_polyphase_networks_are_exactly_invariant(name, is_exact):
    network = build_network(Method(name), 0).eval().double()
    image = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        still, moved = (network(x) for x in (image, image.roll((3, -5), (2, 3))))
    assert torch.allclose(still, moved, rtol=0, atol=1e-12) == is_exact
