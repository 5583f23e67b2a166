import numpy as np
import pytest
import torch

from antialias_plugins.functional import blur_pool2d
from antialias_plugins.layers import AdaptivePolyphasePool2d, PhaseLink, PolyphaseUnpool2d


def linked(stride=2, filt_size=3, pool_filt_size=1, padding_mode='circular'):
    """An encoder's layer and a decoder's."""
    pool, link = AdaptivePolyphasePool2d(stride=stride, filt_size=pool_filt_size), PhaseLink()
    pool.lead(link)
    return pool, PolyphaseUnpool2d(link, stride, filt_size, padding_mode)


@pytest.mark.parametrize('padding_mode', ['zeros', 'reflect', 'replicate', 'circular'])
@pytest.mark.parametrize('stride', [(2, 2), (3, 3), (2, 1)], ids='stride{0[0]}x{0[1]}'.format)
@pytest.mark.parametrize('filt_size', [1, 3, 4])
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


def test_nothing_published():
    with pytest.raises(RuntimeError, match='No selection was published'):
        linked()[1](torch.rand(1, 1, 2, 2))


def test_repr():
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
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        PolyphaseUnpool2d(PhaseLink(), **arguments)
