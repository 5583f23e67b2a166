"""Layers that choose a polyphase component, without parameters and with, and unpooling."""

import numpy as np
import pytest
import torch

from antialias_plugins.functional import adaptive_polyphase_pool2d, blur_pool2d, polyphase_components, select_component
from antialias_plugins.layers import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    LearnablePolyphasePool2d,
    PhaseLink,
    PolyphasePool2d,
    PolyphaseUnpool2d,
)
from tests.pairs import pairwise

LAYERS = pytest.mark.parametrize('layer', [AdaptivePolyphasePool2d, LearnablePolyphasePool2d])


@pytest.mark.parametrize(
    ('padding_mode', 'filt_size', 'norm'),
    pairwise(['zeros', 'reflect', 'replicate', 'circular'], [1, 2, 3], ['l1', 'l2', 'linf']),
)
def test_filters_then_chooses(padding_mode, filt_size, norm):
    input = torch.randn(4, 3, 9, 8)
    filtered = blur_pool2d(input, filt_size, 1, padding_mode)
    actual = AdaptivePolyphasePool2d(3, (2, 3), filt_size, norm, padding_mode)(input)
    assert torch.equal(actual, adaptive_polyphase_pool2d(filtered, (2, 3), norm)[0])


@LAYERS
def test_leader_publishes_what_it_takes(layer):
    leader, link, input = layer(3).eval(), PhaseLink(), torch.randn(4, 3, 6, 8)
    leader.lead(link)
    output = leader(input)
    assert torch.equal(output, select_component(polyphase_components(input), link.selection()))


@LAYERS
def test_follower_takes_what_was_published(layer):
    follower, link, input = layer(3, 2, 3), PhaseLink(), torch.randn(4, 3, 6, 8)
    follower.follow(link)
    filtered = polyphase_components(blur_pool2d(input, 3, 1, 'circular'))
    for selection in (torch.tensor([3, 0, 2, 2]), torch.rand(4, 4)):
        link.publish(selection)
        assert torch.equal(follower(input), select_component(filtered, selection))


@LAYERS
def test_follower_has_nothing_to_learn(layer):
    follower = layer(3)
    follower.follow(PhaseLink())
    assert not list(follower.parameters())
    assert not follower.state_dict()
    assert 'follows' in repr(follower)
    with pytest.raises(RuntimeError, match='A layer that follows cannot lead'):
        follower.lead(PhaseLink())


@pytest.mark.parametrize(
    ('layer', 'stride', 'filt_size', 'dtype'),
    pairwise(
        [AdaptivePolyphasePool2d, LearnablePolyphasePool2d],
        [(2, 2), (3, 3), (2, 1), (3, 2)],
        [1, 2, 3],
        [torch.float32, torch.float64],
    ),
    ids=str,
)
def test_component_moves_with_the_map(layer, stride, filt_size, dtype):
    """To the last bit: put back at its phase, it is the old one moved by any circular shift."""
    torch.manual_seed(0)
    leader, link, input = layer(2, stride, filt_size).to(dtype).eval(), PhaseLink(), torch.randn(2, 2, 6, 12).to(dtype)
    leader.lead(link)

    def restore(input):
        return place(leader(input), link.selection(), stride)

    expected = restore(input)
    for y in range(6):
        for x in range(12):
            assert torch.equal(restore(input.roll((y, x), (2, 3))), expected.roll((y, x), (2, 3)))


@LAYERS
def test_adaptive_filter_comes_first_and_moves_with_the_map(layer):
    torch.manual_seed(0)
    leader, link = layer(4, filt_size=3, padding_mode='zeros', adaptive={'groups': 2}).eval(), PhaseLink()
    leader.lead(link)
    leader.padding_mode = 'circular'  # as a conversion to circular borders does
    input = torch.randn(2, 4, 6, 8)

    def restore(input):
        return place(leader(input), link.selection(), (2, 2))

    filtered = AdaptiveBlurPool2d(4, 3, 1, groups=2, padding_mode='circular').eval()
    filtered.load_state_dict(leader.adaptive.state_dict())
    output, expected = leader(input), restore(input)
    assert torch.equal(output, select_component(polyphase_components(filtered(input)), link.selection()))
    for y in range(6):
        for x in range(8):
            assert torch.equal(restore(input.roll((y, x), (2, 3))), expected.roll((y, x), (2, 3)))


def place(output, phases, stride):
    """Put a component back by assigning it to a slice of zeros."""
    rows, columns = stride
    restored = output.new_zeros(*output.shape[:2], rows * output.shape[2], columns * output.shape[3])
    for sample, phase in enumerate(phases.tolist()):
        top, left = divmod(phase, columns)
        restored[sample, :, top::rows, left::columns] = output[sample]
    return restored


def test_number_of_channels_is_checked():
    with pytest.raises(ValueError, match='input must have the 4 channels of the layer, got 3'):
        AdaptivePolyphasePool2d(4)(torch.rand(1, 3, 8, 8))


def test_choice_is_left_to_subclasses():
    with pytest.raises(NotImplementedError):
        PolyphasePool2d()(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'channels': 0}, 'channels must be an integer of at least 1, got 0'),
        ({'stride': 0}, 'stride must be an integer of at least 1 or a pair of them, got 0'),
        ({'filt_size': 0}, 'filt_size must be an integer of at least 1, got 0'),
        ({'adaptive': {'groups': 2}}, 'channels must be an integer of at least 1, got None'),
        ({'channels': 4, 'adaptive': 3}, "adaptive must be None or a dict of 'groups' and 'softmax', got 3"),
        (
            {'channels': 4, 'adaptive': {'groups': 2, 'padding_mode': 'zeros'}},
            "adaptive must .* 'padding_mode': 'zeros'",
        ),
        ({'channels': 4, 'filt_size': 2, 'adaptive': {'groups': 2}}, 'filt_size must be odd, .* got 2'),
        ({'padding_mode': 'wrap'}, "padding_mode must be one of 'zeros', .*, got 'wrap'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        PolyphasePool2d(**arguments)


def linked(stride=2, filt_size=3, pool_filt_size=1, padding_mode='circular'):
    """An encoder's layer and a decoder's."""
    pool, link = AdaptivePolyphasePool2d(stride=stride, filt_size=pool_filt_size), PhaseLink()
    pool.lead(link)
    return pool, PolyphaseUnpool2d(link, stride, filt_size, padding_mode)


@pytest.mark.parametrize(
    ('padding_mode', 'stride', 'filt_size'),
    pairwise(['zeros', 'reflect', 'replicate', 'circular'], [(2, 2), (3, 3), (2, 1)], [1, 3, 4]),
    ids=str,
)
def test_places_multiplies_and_filters(padding_mode, stride, filt_size):
    unpool = linked(stride, filt_size, padding_mode=padding_mode)[1].double()
    input, phases = torch.randn(3, 2, 4, 5, dtype=torch.float64), torch.randint(stride[0] * stride[1], (3,))
    unpool.link.publish(phases)
    spread = np.zeros((3, 2, stride[0] * 4, stride[1] * 5))
    for n, phase in enumerate(phases.tolist()):
        top, left = divmod(phase, stride[1])
        for i in range(4):
            for j in range(5):
                spread[n, :, top + stride[0] * i, left + stride[1] * j] = input[n, :, i, j] * stride[0] * stride[1]
    expected = blur_pool2d(torch.from_numpy(spread), filt_size, 1, padding_mode)
    torch.testing.assert_close(unpool(input), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize('stride', [(2, 2), (3, 3), (2, 1)], ids='stride{0[0]}x{0[1]}'.format)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64], ids=str)
def test_decoder_moves_with_the_map(stride, dtype):
    """Pooled twice and unpooled twice, to the last bit, for every circular shift."""
    (outer, enlarge), (inner, restore) = linked(stride, pool_filt_size=3), linked(2, pool_filt_size=2)

    def network(input):
        return enlarge(restore(inner(outer(input))))

    input = torch.randn(2, 3, 12, 12, dtype=dtype)
    expected = network(input)
    assert expected.shape == input.shape
    for y in range(12):
        for x in range(12):
            assert torch.equal(network(input.roll((y, x), (2, 3))), expected.roll((y, x), (2, 3)))


@pytest.mark.parametrize('filt_size', [2, 3, 4, 5])
@pytest.mark.parametrize('stride', [(2, 2), (2, 1)], ids='stride{0[0]}x{0[1]}'.format)
def test_constant_map_stays_constant(filt_size, stride):
    unpool = linked(stride, filt_size)[1]
    unpool.link.publish(torch.tensor([1]))
    output = unpool(torch.full((1, 2, 3, 4), 3.0))
    torch.testing.assert_close(output, torch.full_like(output, 3.0))


@pytest.mark.parametrize('filt_size', [1, 3])
def test_mean_is_kept(filt_size):
    unpool = linked(3, filt_size)[1]
    unpool.link.publish(torch.tensor([7, 0]))
    input = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(unpool(input).mean((2, 3)), input.mean((2, 3)))


def test_odd_map_gets_its_size_back():
    pool, unpool = linked()
    input = torch.randn(2, 3, 7, 9)
    assert unpool(pool(input), (7, 9)).shape == input.shape


def test_weights_are_differentiable():
    unpool = linked(2)[1]
    weights = torch.rand(2, 4, requires_grad=True)
    unpool.link.publish(weights)
    unpool(torch.rand(2, 3, 4, 4)).square().sum().backward()
    assert (weights.grad != 0).all()


def test_nothing_published_for_unpooling():
    with pytest.raises(RuntimeError, match='No selection was published'):
        linked()[1](torch.rand(1, 1, 2, 2))


def test_repr_of_unpooling():
    assert repr(linked()[1]) == "PolyphaseUnpool2d(stride=(2, 2), filt_size=3, padding_mode='circular')"


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'stride': 0}, 'stride must be an integer of at least 1 or a pair of them, got 0'),
        ({'filt_size': 0}, 'filt_size must be an integer of at least 1, got 0'),
        ({'padding_mode': 'wrap'}, "padding_mode must be one of 'zeros', .*, got 'wrap'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_of_unpooling_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        PolyphaseUnpool2d(PhaseLink(), **arguments)
