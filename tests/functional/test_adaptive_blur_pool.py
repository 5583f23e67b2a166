import pytest
import torch

from antialias_plugins.functional import adaptive_blur_pool2d
from tests.pairs import pairwise

MODES = ('zeros', 'reflect', 'replicate', 'circular')
SOFTMAXES = ('group', 'joint')
SIDES = [(1, 1), (1, 6), (2, 2), (3, 8), (9, 7), (8, 8)]


def make(channels, sides, filt_size, stride, groups, dtype=torch.float64, batch=2):
    """Input and logits that fit together."""
    kept = [-(-side // step) for side, step in zip(sides, stride, strict=True)]
    input = torch.randn(batch, channels, *sides).to(dtype)
    return input, torch.randn(batch, groups * filt_size**2, *kept).to(dtype)


@pytest.mark.parametrize(
    ('filt_size', 'stride', 'padding_mode', 'softmax'),
    pairwise([1, 3, 5, 7], [(1, 1), (2, 2), (3, 3), (4, 4), (2, 1)], MODES, SOFTMAXES),
    ids=str,
)
def test_matches_loop(adaptive_loop, filt_size, stride, padding_mode, softmax):
    for (channels, groups), sides in zip([(1, 1), (4, 2), (3, 3), (6, 2), (4, 4), (2, 1)], SIDES, strict=True):
        input, logits = make(channels, sides, filt_size, stride, groups)
        expected = adaptive_loop(input, logits, filt_size, stride, groups, padding_mode, softmax)
        actual = adaptive_blur_pool2d(input, logits, stride, groups, padding_mode, softmax)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ('dtype', 'filt_size', 'softmax'),
    pairwise([torch.float32, torch.float16, torch.bfloat16], [1, 3, 7], SOFTMAXES),
    ids=str,
)
def test_rounds_once_in_the_type_of_the_input(adaptive_loop, dtype, filt_size, softmax):
    input, logits = make(4, (9, 8), filt_size, (2, 2), 2, dtype)
    actual = adaptive_blur_pool2d(input, logits, 2, 2, softmax=softmax)
    expected = adaptive_loop(input, logits, filt_size, (2, 2), 2, 'reflect', softmax)
    rounding = filt_size**2 + 4 if dtype == torch.float32 else 0.51
    assert actual.dtype == dtype
    bound = rounding * torch.finfo(dtype).eps * input.double().abs().max()
    assert (actual.double() - expected).abs().max() <= bound


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_half_logits_do_not_round_a_wider_input(adaptive_loop, dtype):
    input, logits = make(4, (8, 8), 3, (2, 2), 2, torch.float32)
    logits = logits.to(dtype)
    output = adaptive_blur_pool2d(input, logits, 2, 2)
    assert output.dtype == torch.float32
    expected = adaptive_loop(input, logits, 3, (2, 2), 2, 'reflect', 'group')
    torch.testing.assert_close(output.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('softmax', SOFTMAXES)
def test_autocast_does_not_touch_the_type(softmax):
    input, logits = make(4, (8, 8), 3, (2, 2), 2, torch.float32)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = adaptive_blur_pool2d(input, logits, 2, 2, softmax=softmax)
    assert torch.equal(output, adaptive_blur_pool2d(input, logits, 2, 2, softmax=softmax))


@pytest.mark.parametrize('layout', ['channels_last', 'strided'])
def test_output_is_contiguous_in_the_layout_of_the_input(layout):
    input, logits = make(4, (8, 6), 3, (2, 2), 2)
    expected = adaptive_blur_pool2d(input, logits, 2, 2)
    memory_format = torch.channels_last if layout == 'channels_last' else torch.contiguous_format
    if layout == 'channels_last':
        input = input.contiguous(memory_format=torch.channels_last)
    else:
        input = input.repeat_interleave(2, 3)[..., ::2]
    output = adaptive_blur_pool2d(input, logits, 2, 2)
    assert output.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize('padding_mode', MODES)
def test_empty_batch(padding_mode):
    input, logits = make(4, (8, 6), 3, (2, 2), 2, batch=0)
    output = adaptive_blur_pool2d(input.requires_grad_(), logits.requires_grad_(), 2, 2, padding_mode)
    output.sum().backward()
    assert output.shape == (0, 4, 4, 3)
    assert logits.grad.shape == logits.shape


@pytest.mark.parametrize(
    ('filt_size', 'stride', 'padding_mode', 'softmax'),
    [row[0] + row[1:] for row in pairwise([(1, (2, 2)), (3, (1, 1)), (3, (2, 2)), (3, (2, 1))], MODES, SOFTMAXES)],
    ids=str,
)
def test_gradients(filt_size, stride, padding_mode, softmax):
    pair = make(2, (3, 4), filt_size, stride, 2, batch=1)
    inputs = tuple(tensor.requires_grad_() for tensor in pair)

    def function(input, logits):
        return adaptive_blur_pool2d(input, logits, stride, 2, padding_mode, softmax)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize('padding_mode', ['reflect', 'replicate', 'circular'])
def test_constant_stays_constant_with_softmax_per_group(padding_mode):
    _, logits = make(4, (7, 6), 3, (2, 2), 2)
    output = adaptive_blur_pool2d(torch.full((2, 4, 7, 6), 3.0).double(), logits, 2, 2, padding_mode)
    torch.testing.assert_close(output, torch.full_like(output, 3))


def test_joint_softmax_shares_a_gain_of_one_among_the_groups():
    _, logits = make(4, (7, 6), 3, (2, 2), 4)
    ones = torch.ones(2, 4, 7, 6, dtype=torch.float64)
    output = adaptive_blur_pool2d(ones, logits, 2, 4, softmax='joint')
    torch.testing.assert_close(output.sum(1), torch.ones(2, 4, 3, dtype=torch.float64))
    even = adaptive_blur_pool2d(ones, torch.zeros_like(logits), 2, 4, softmax='joint')
    torch.testing.assert_close(even, torch.full_like(even, 1 / 4))


def test_one_tap_of_each_group_picks_one_neighbour():
    input = torch.arange(2 * 16.0).view(1, 2, 4, 4)
    logits = torch.full((1, 2, 9, 2, 2), -1e4)
    logits[:, 0, 1] = 0  # one row up
    logits[:, 1, 5] = 0  # one column to the right
    up, right = adaptive_blur_pool2d(input, logits.flatten(1, 2), 2, 2)[0]
    assert up.tolist() == [[4, 6], [4, 6]]
    assert right.tolist() == [[17, 19], [25, 27]]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'groups': 3}, 'groups must divide the number of channels, got 3 groups for 4 channels'),
        ({'groups': 0}, 'groups must be an integer of at least 1, got 0'),
        ({'softmax': 'pixel'}, "softmax must be one of 'group', 'joint', got 'pixel'"),
        ({'stride': 0}, 'stride must be an integer of at least 1 or a pair of them, got 0'),
        ({'stride': 1}, r'logits must have shape \(1, 2 \* K \* K, 8, 8\) for this input, got \(1, 18, 4, 4\)'),
        ({'logits': torch.rand(1, 8, 4, 4)}, r'K of logits must be odd, .*got 2'),
        ({'logits': torch.rand(1, 17, 4, 4)}, r'logits must have shape .*got \(1, 17, 4, 4\)'),
        ({'logits': torch.rand(18, 4, 4)}, r'logits must have shape .*got \(18, 4, 4\)'),
        ({'padding_mode': 'same'}, r"padding_mode must be one of .*, got 'same'"),
        ({'input': torch.rand(8, 8)}, r'input must be a floating-point tensor .*, got shape \(8, 8\)'),
    ],
    ids=lambda value: '' if isinstance(value, str) else '-'.join(value),
)
def test_bad_arguments_are_refused(arguments, message):
    fitting = {'input': torch.rand(1, 4, 8, 8), 'logits': torch.rand(1, 18, 4, 4), 'groups': 2}
    with pytest.raises(ValueError, match=message):
        adaptive_blur_pool2d(**{**fitting, **arguments})
