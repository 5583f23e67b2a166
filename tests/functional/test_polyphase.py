import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from antialias_plugins.functional import (
    adaptive_polyphase_pool2d,
    blur_pool2d,
    polyphase_components,
    polyphase_norms,
    polyphase_unpool2d,
    select_component,
)
from tests.pairs import pairwise

STRIDES = pytest.mark.parametrize('stride', [(2, 2), (3, 3), (2, 1), (1, 3)], ids='stride{0[0]}x{0[1]}'.format)
ORDERS = {'l1': 1, 'l2': 2, 'linf': np.inf}


def component_loop(array, stride, phase):
    """One component of one sample, position by position."""
    (rows, columns), (top, left) = stride, divmod(phase, stride[1])
    height, width = (-(-side // step) for side, step in zip(array.shape[1:], stride, strict=True))
    component = np.empty((len(array), height, width), array.dtype)
    for i in range(height):
        for j in range(width):
            y, x = (rows * i + top) % array.shape[1], (columns * j + left) % array.shape[2]
            component[:, i, j] = array[:, y, x]
    return component


def adaptive_loop(input, stride, norm):
    """Component of the largest norm, and its phase, sample by sample."""
    outputs, phases = [], []
    for array in input.detach().numpy():
        components = [component_loop(array, stride, phase) for phase in range(stride[0] * stride[1])]
        norms = [np.linalg.norm(component.astype(np.float64).ravel(), ORDERS[norm]) for component in components]
        phases.append(int(np.argmax(norms)))
        outputs.append(components[phases[-1]])
    return torch.from_numpy(np.stack(outputs)), torch.tensor(phases)


def moved(output, phase, stride, shift):
    """What becomes of an output, and of its phase, when the map moves down and to the right."""
    outputs, phases = [], []
    for sample, number in zip(output, phase.tolist(), strict=True):
        (top, left), (rows, columns) = divmod(number, stride[1]), stride
        y, x = top + shift[0], left + shift[1]
        outputs.append(sample.roll((y // rows, x // columns), (1, 2)))
        phases.append(y % rows * columns + x % columns)
    return torch.stack(outputs), torch.tensor(phases)


@STRIDES
@pytest.mark.parametrize('sides', [(6, 12), (7, 5), (1, 4)], ids=str)
def test_components_are_the_subsampled_maps(stride, sides):
    input = torch.randn(2, 3, *sides)
    components = polyphase_components(input, stride)
    expected = [[component_loop(x.numpy(), stride, p) for p in range(stride[0] * stride[1])] for x in input]
    assert torch.equal(components, torch.from_numpy(np.array(expected)))


def test_components_are_those_of_pixel_unshuffle():
    input = torch.randn(2, 3, 6, 9)
    expected = torch.nn.functional.pixel_unshuffle(input, 3).unflatten(1, (3, 9)).transpose(1, 2)
    assert torch.equal(polyphase_components(input, 3), expected)


@pytest.mark.parametrize(('stride', 'norm', 'sides'), pairwise(STRIDES.args[1], ORDERS, [(6, 12), (7, 5)]), ids=str)
def test_matches_the_loop(stride, norm, sides):
    input = torch.randn(8, 3, *sides)
    output, phase = adaptive_polyphase_pool2d(input, stride, norm)
    expected, expected_phase = adaptive_loop(input, stride, norm)
    assert torch.equal(output, expected)
    assert torch.equal(phase, expected_phase)


@pytest.mark.parametrize(
    ('stride', 'norm', 'filt_size', 'dtype'),
    pairwise(STRIDES.args[1], ORDERS, [1, 2, 3], [torch.float32, torch.float64]),
    ids=str,
)
def test_output_moves_with_the_map(stride, norm, filt_size, dtype):
    """To the last bit, for every circular shift of a map whose sides the stride divides."""
    input = torch.randn(2, 3, 6, 12, dtype=dtype)
    output, phase = adaptive_polyphase_pool2d(blur_pool2d(input, filt_size, 1, 'circular'), stride, norm)
    for y in range(6):
        for x in range(12):
            blurred = blur_pool2d(input.roll((y, x), (2, 3)), filt_size, 1, 'circular')
            actual = adaptive_polyphase_pool2d(blurred, stride, norm)
            expected = moved(output, phase, stride, (y, x))
            assert torch.equal(actual[0], expected[0])
            assert torch.equal(actual[1], expected[1])


@STRIDES
def test_unpooled_map_moves_with_the_map(stride):
    def restore(input):
        return polyphase_unpool2d(*adaptive_polyphase_pool2d(input, stride), stride)

    input = torch.randn(2, 3, 6, 12)
    for y in range(6):
        for x in range(12):
            assert torch.equal(restore(input.roll((y, x), (2, 3))), restore(input).roll((y, x), (2, 3)))


def test_near_ties_are_decided_alike_after_a_shift():
    """Norms of float32 values that agree in eight digits; sums in float32 would be decided by their order."""
    input = torch.rand(1, 1, 2, 4096)
    input[..., 1, :] = input[..., 0, torch.randperm(4096)]
    input[0, 0, 0, 0] += 1e-6
    for shift in range(2, 4096, 500):
        assert adaptive_polyphase_pool2d(input.roll(shift, 3), (2, 1))[1] == 0


def test_first_of_equal_norms_wins():
    assert adaptive_polyphase_pool2d(torch.ones(1, 1, 4, 4))[1] == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_norms_are_summed_in_float64(dtype):
    components = torch.randn(2, 4, 3, 5, 7).to(dtype)
    expected = np.square(components.double().numpy()).sum((2, 3, 4)) ** 0.5
    actual = polyphase_norms(components)
    torch.testing.assert_close(actual, torch.from_numpy(expected), rtol=1e-14, atol=0)


def test_selected_values_are_untouched():
    """Infinities of other components stay out, where a product with 0 would let them in as NaN."""
    input = torch.tensor([[[[1.0, float('inf')], [float('nan'), -0.0]]]])
    components = polyphase_components(input)
    assert select_component(components, torch.tensor([0])).item() == 1
    assert str(select_component(components, torch.tensor([3])).item()) == '-0.0'
    assert torch.equal(
        polyphase_unpool2d(torch.ones(1, 1, 1, 1), torch.tensor([2])), torch.tensor([[[[0.0, 0], [1, 0]]]])
    )


@pytest.mark.parametrize('axes', [(2, 4), (2, 4, 3)], ids=['per-sample', 'per-channel'])
def test_weighted_sum_matches_the_loop(axes):
    components, weights = torch.randn(2, 4, 3, 5, 6, dtype=torch.float64), torch.rand(axes, dtype=torch.float64)
    expected = torch.zeros(2, 3, 5, 6, dtype=torch.float64)
    for n in range(2):
        for p in range(4):
            for c in range(3):
                expected[n, c] += (weights[n, p] if weights.dim() == 2 else weights[n, p, c]) * components[n, p, c]
    torch.testing.assert_close(select_component(components, weights), expected, rtol=0, atol=1e-14)


def test_weights_of_one_component_take_it():
    components, phase = torch.randn(3, 4, 2, 5, 6), torch.tensor([2, 0, 3])
    weights = torch.nn.functional.one_hot(phase, 4).float()
    assert torch.equal(select_component(components, weights), select_component(components, phase))


@STRIDES
@pytest.mark.parametrize('sides', [(6, 12), (7, 5), (1, 4)], ids=str)
@pytest.mark.parametrize('kind', ['phase', 'weights', 'channel-weights'])
def test_unpooling_is_the_transpose(stride, sides, kind):
    input = torch.randn(3, 2, *sides, dtype=torch.float64)
    components = polyphase_components(input, stride)
    phases = components.shape[1]
    selection = {
        'phase': torch.randint(phases, (3,)),
        'weights': torch.rand(3, phases, dtype=torch.float64),
        'channel-weights': torch.rand(3, phases, 2, dtype=torch.float64),
    }[kind]
    selected = select_component(components, selection)
    other = torch.randn_like(selected)
    unpooled = polyphase_unpool2d(other, selection, stride, sides)
    assert unpooled.shape == input.shape
    torch.testing.assert_close((selected * other).sum(), (input * unpooled).sum(), rtol=1e-12, atol=1e-12)


@STRIDES
def test_pooling_what_was_unpooled_gives_it_back(stride):
    input, phase = torch.randn(3, 2, 4, 5), torch.randint(stride[0] * stride[1], (3,))
    unpooled = polyphase_unpool2d(input, phase, stride)
    assert torch.equal(select_component(polyphase_components(unpooled, stride), phase), input)


@STRIDES
@pytest.mark.parametrize('sides', [(4, 6), (3, 5)], ids=str)
def test_gradients(stride, sides):
    input = torch.randn(2, 2, *sides, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda input: adaptive_polyphase_pool2d(input, stride)[0], input)
    pooled, phase = adaptive_polyphase_pool2d(input.detach(), stride)
    assert gradcheck(lambda input: polyphase_unpool2d(input, phase, stride, sides), pooled.requires_grad_())
    weights = torch.rand(2, stride[0] * stride[1], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda *x: select_component(polyphase_components(x[0], stride), x[1]), (input, weights))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_half_types_keep_their_type(dtype):
    input = torch.randn(2, 3, 5, 6).to(dtype)
    output, phase = adaptive_polyphase_pool2d(input)
    expected, expected_phase = adaptive_polyphase_pool2d(input.float())
    assert torch.equal(output, expected.to(dtype))
    assert torch.equal(phase, expected_phase)
    weights = torch.rand(2, 4)
    assert select_component(polyphase_components(input), weights).dtype == dtype
    assert polyphase_unpool2d(output, weights).dtype == dtype


def test_weighted_sum_is_rounded_once():
    components, weights = torch.randn(2, 4, 3, 5, 6).bfloat16(), torch.rand(2, 4)
    expected = select_component(components.double(), weights.double())
    assert torch.equal(select_component(components, weights), expected.float().bfloat16())


def test_channels_last_stays_channels_last():
    input = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    output, phase = adaptive_polyphase_pool2d(input)
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert polyphase_unpool2d(output, phase).is_contiguous(memory_format=torch.channels_last)


def test_empty_batch():
    output, phase = adaptive_polyphase_pool2d(torch.rand(0, 3, 9, 8))
    assert output.shape == (0, 3, 5, 4)
    assert polyphase_unpool2d(output, phase, size=(9, 8)).shape == (0, 3, 9, 8)


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: polyphase_components(torch.rand(3, 4)), r'input must be a floating-point tensor \(N, C, H, W\)'),
        (lambda: polyphase_components(torch.rand(1, 1, 4, 4), 0), 'stride must be an integer of at least 1 .*got 0'),
        (lambda: polyphase_norms(torch.rand(4, 2, 2)), r'components must be .*, got shape \(4, 2, 2\)'),
        (lambda: polyphase_norms(torch.rand(1, 4, 1, 2, 2), 'l3'), "norm must be one of 'l1', 'l2', 'linf', got 'l3'"),
        (
            lambda: select_component(torch.rand(2, 4, 3, 2, 2), torch.tensor([1])),
            r'selection must be integers \(2,\) from 0 to 3 or floating-point weights .*, got shape \(1,\)',
        ),
        (
            lambda: select_component(torch.rand(2, 4, 3, 2, 2), torch.tensor([True, False])),
            r'got shape \(2,\) of torch.bool',
        ),
        (
            lambda: select_component(torch.rand(2, 4, 3, 2, 2), torch.tensor([4, 0])),
            r'selection must be integers \(2,\) from 0 to 3 .*, got \[4, 0\]',
        ),
        (
            lambda: polyphase_unpool2d(torch.rand(2, 3, 2, 2), torch.tensor([3, -1], dtype=torch.int32)),
            r'phase must be integers \(2,\) from 0 to 3 .*, got \[3, -1\]',
        ),
        (
            lambda: polyphase_unpool2d(torch.rand(2, 3, 2, 2), torch.tensor([7, 0], device='meta')),
            'phase must be on cpu with the map, got meta',
        ),
        (lambda: polyphase_unpool2d(torch.rand(1, 3, 2, 2), [0]), r'phase must be integers \(1,\) .*, got \[0\]'),
        (
            lambda: polyphase_unpool2d(torch.rand(2, 3, 2, 2), torch.rand(2, 9)),
            r'floating-point weights \(2, 4\) or \(2, 4, 3\), got shape \(2, 9\)',
        ),
        (
            lambda: polyphase_unpool2d(torch.rand(1, 1, 2, 3), torch.tensor([0]), 2, (4, 7)),
            r'size must be one that stride \(2, 2\) takes to \(2, 3\), got \(4, 7\)',
        ),
        (lambda: polyphase_unpool2d(torch.rand(3, 4), torch.tensor([0])), 'input must be a floating-point tensor'),
    ],
    ids=[
        'not-a-map',
        'stride',
        'components',
        'norm',
        'samples',
        'bool',
        'range',
        'negative',
        'device',
        'list',
        'weights',
        'size',
        'not-a-map-to-unpool',
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
