import itertools

import pytest
import torch
from timm.layers import BlurPool2d as TimmBlurPool2d

from antialias_plugins.functional import blur_pool2d
from antialias_plugins.functional.blur_pool import binomial_filter
from tests.pairs import pairwise

MODES = ('zeros', 'reflect', 'replicate', 'circular')
SIDES = [(1, 1), (1, 6), (2, 2), (3, 8), (9, 7), (8, 8)]
LAYOUTS = {
    'contiguous': lambda x: x.contiguous(),
    'channels_last': lambda x: x.contiguous(memory_format=torch.channels_last),
    'transposed': lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    'strided': lambda x: x.repeat_interleave(2, 3)[..., ::2],
}


@pytest.mark.parametrize(
    ('filt_size', 'stride', 'padding_mode'),
    pairwise(range(1, 8), [(1, 1), (2, 2), (3, 3), (4, 4), (2, 1)], MODES),
    ids=str,
)
def test_matches_loop(blur_loop, filt_size, stride, padding_mode):
    for channels, sides in zip((1, 3, 1, 2, 3, 4), SIDES, strict=True):
        input = torch.randn(2, channels, *sides, dtype=torch.float64)
        expected = blur_loop(input, filt_size, stride, padding_mode)
        actual = blur_pool2d(input, filt_size, stride, padding_mode)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ('dtype', 'filt_size', 'padding_mode'),
    pairwise([torch.float32, torch.float16, torch.bfloat16], [1, 2, 3, 4, 7], MODES),
    ids=str,
)
def test_rounds_once_in_the_type_of_the_input(blur_loop, dtype, filt_size, padding_mode):
    input = torch.randn(2, 3, 9, 8).to(dtype)
    actual = blur_pool2d(input, filt_size, 2, padding_mode)
    expected = blur_loop(input, filt_size, (2, 2), padding_mode)
    assert actual.dtype == dtype
    # Half types are summed in float32 and rounded at the end; float32 is rounded at each of the K * K terms.
    rounding = filt_size**2 if dtype == torch.float32 else 0.51
    bound = rounding * torch.finfo(dtype).eps * input.double().abs().max()
    assert (actual.double() - expected).abs().max() <= bound


@pytest.mark.parametrize('filt_size', [1, 3, 4])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_output_is_contiguous_in_the_layout_of_the_input(blur_loop, layout, filt_size):
    input = LAYOUTS[layout](torch.randn(2, 3, 7, 6, dtype=torch.float64))
    output = blur_pool2d(input, filt_size)
    memory_format = torch.channels_last if layout == 'channels_last' else torch.contiguous_format
    assert output.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(output, blur_loop(input, filt_size, (2, 2), 'reflect'), rtol=0, atol=1e-14)


@pytest.mark.parametrize(('filt_size', 'padding_mode'), [(1, 'reflect'), (3, 'zeros'), (4, 'circular')])
def test_empty_batch(filt_size, padding_mode):
    input = torch.rand(0, 3, 9, 8, requires_grad=True)
    output = blur_pool2d(input, filt_size, 2, padding_mode)
    output.sum().backward()
    assert output.shape == (0, 3, 5, 4)
    assert input.grad.shape == input.shape


@pytest.mark.parametrize('padding_mode', MODES)
@pytest.mark.parametrize(('filt_size', 'stride'), [(1, 2), (2, 1), (3, 2), (4, 2), (4, 3), (5, (1, 2))], ids=str)
def test_gradients(filt_size, stride, padding_mode):
    input = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)

    def function(input):
        return blur_pool2d(input, filt_size, stride, padding_mode)

    assert torch.autograd.gradcheck(function, input)
    assert torch.autograd.gradgradcheck(function, input, fast_mode=True)


@pytest.mark.parametrize('stride', range(1, 5))
def test_side_of_the_output_is_the_ceiling(stride):
    for filt_size, side in itertools.product(range(1, 9), range(1, 10)):
        assert blur_pool2d(torch.rand(1, 1, side, 4), filt_size, stride).shape[2] == -(-side // stride)


@pytest.mark.parametrize('padding_mode', MODES)
def test_constant_stays_constant_unless_padded_with_zeros(padding_mode):
    constant = torch.full((1, 2, 7, 6), 3.0, dtype=torch.float64)
    for filt_size in range(1, 9):
        output = blur_pool2d(constant, filt_size, 2, padding_mode)
        kept = (output - 3).abs().max() < 1e-14
        assert kept == (padding_mode != 'zeros' or filt_size == 1)


@pytest.mark.parametrize(('filt_size', 'phase'), [(1, 0), (2, 0.5), (3, 0), (4, 0.5), (5, 0), (6, 0.5), (7, 0)])
def test_even_filter_shifts_the_grid_by_half_a_pixel(filt_size, phase):
    ramp = torch.arange(24.0).expand(1, 1, 24, 24)
    inner = blur_pool2d(ramp, filt_size)[0, 0, 6, 2:10]
    torch.testing.assert_close(inner, torch.arange(4.0, 20.0, 2.0) + phase)


def test_even_filter_of_timm_is_one_larger():
    input = torch.rand(1, 2, 8, 8)
    assert blur_pool2d(input, 4).shape[2:] == (4, 4)
    assert TimmBlurPool2d(2, filt_size=4)(input).shape[2:] == (5, 5)


@pytest.mark.parametrize('filt_size', [3, 5, 7])
def test_odd_filter_agrees_with_timm(filt_size):
    input = torch.rand(2, 3, 9, 8)
    torch.testing.assert_close(blur_pool2d(input, filt_size), TimmBlurPool2d(3, filt_size=filt_size)(input))


def test_filter_of_four_taps():
    outer = [[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]]
    assert (binomial_filter(4) * 64).tolist() == outer


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_autocast_does_not_touch_the_type(dtype):
    input = torch.rand(1, 2, 8, 8).to(dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = blur_pool2d(input)
    assert output.dtype == dtype
    assert torch.equal(output, blur_pool2d(input))


def test_taps_at_hand_are_used():
    input = torch.rand(1, 2, 8, 8, dtype=torch.float64)
    assert torch.equal(blur_pool2d(input, 5, filt=binomial_filter(5)), blur_pool2d(input, 5))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'input': torch.rand(4, 4)}, r'input must be a floating-point tensor .*, got shape \(4, 4\)'),
        ({'input': torch.ones(1, 3, 4, 4, dtype=torch.int64)}, r'input must be a floating-point tensor .*torch.int64'),
        ({'filt_size': 0}, 'filt_size must be an integer of at least 1, got 0'),
        ({'filt_size': 2.5}, 'filt_size must be an integer of at least 1, got 2.5'),
        ({'filt_size': True}, 'filt_size must be an integer of at least 1, got True'),
        ({'stride': 0}, 'stride must be an integer of at least 1 or a pair of them, got 0'),
        ({'stride': (2, 2, 2)}, r'stride must be .*, got \(2, 2, 2\)'),
        ({'stride': '2'}, r"stride must be .*, got '2'"),
        ({'padding_mode': 'same'}, r"padding_mode must be one of .*, got 'same'"),
        ({'filt_size': 1, 'padding_mode': 'same'}, r"padding_mode must be one of .*, got 'same'"),
        ({'filt': torch.ones(3, 3)}, r'filt must have shape \(4, 4\) of filt_size, got shape \(3, 3\)'),
    ],
    ids=lambda value: '' if isinstance(value, str) else '-'.join(value),
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        blur_pool2d(**{'input': torch.rand(1, 3, 4, 4), **arguments})
