import pytest
import torch
import torch.nn.functional as F

from antialias_plugins.functional import max_blur_pool2d
from antialias_plugins.functional.max_blur_pool import dense_max_pool2d
from tests.pairs import pairwise

MODES = ('zeros', 'reflect', 'replicate', 'circular')
WINDOWS = [(2, 0), (3, 1), (3, 0), ((3, 2), (1, 0))]


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


@pytest.mark.parametrize(
    ('window', 'filt_size', 'stride', 'padding_mode'), pairwise(WINDOWS, range(1, 8), range(1, 5), MODES), ids=str
)
def test_matches_loop(dense_max_loop, blur_loop, window, filt_size, stride, padding_mode):
    kernel_size, padding = window
    for channels, sides in ((1, (3, 3)), (3, (4, 8)), (2, (9, 7))):
        input = torch.randn(2, channels, *sides, dtype=torch.float64)
        dense = dense_max_loop(input, pair(kernel_size), pair(padding))
        expected = blur_loop(dense, filt_size, (stride, stride), padding_mode)
        actual = max_blur_pool2d(input, kernel_size, stride, padding, filt_size, padding_mode)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ('kernel_size', 'stride', 'dilation', 'ceil_mode'),
    pairwise([1, 2, 3, (4, 3)], [1, 2, 3, 4, (2, 3)], [1, 2], [False, True]),
    ids=str,
)
def test_kept_positions_of_the_dense_pool_are_the_strided_pool(kernel_size, stride, dilation, ceil_mode):
    rows, columns = pair(stride)
    compared = 0
    for padding in range(min(pair(kernel_size)) // 2 + 1):
        for side in range(dilation * (max(pair(kernel_size)) - 1) + 1, 14):
            input = torch.randn(1, 2, side, 13, dtype=torch.float64)
            dense = dense_max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)
            expected = F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)
            assert torch.equal(dense[..., ::rows, ::columns], expected)
            compared += 1
    assert compared > 5


@pytest.mark.parametrize(
    ('kernel_size', 'stride', 'padding'), [(3, 2, 1), (3, 2, 0), (2, 2, 0), (2, 2, 1), (2, 3, 1)], ids=str
)
def test_ceil_mode_gives_the_size_of_max_pool(kernel_size, stride, padding):
    for filt_size, side in zip([1, 2, 3, 4, 5] * 2, range(3, 13), strict=True):
        input = torch.randn(1, 1, side, 7)
        output = max_blur_pool2d(input, kernel_size, stride, padding, filt_size, ceil_mode=True)
        assert output.shape == F.max_pool2d(input, kernel_size, stride, padding, ceil_mode=True).shape
        assert output.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_rounds_once_in_the_type_of_the_input(dense_max_loop, blur_loop, dtype):
    input = torch.randn(2, 3, 9, 8).to(dtype)
    output = max_blur_pool2d(input, 3, 2, 1)
    dense = dense_max_loop(input, (3, 3), (1, 1))
    rounding = 16 if dtype == torch.float32 else 0.51
    bound = rounding * torch.finfo(dtype).eps * input.double().abs().max()
    assert output.dtype == dtype
    assert (output.double() - blur_loop(dense, 4, (2, 2), 'reflect')).abs().max() <= bound


@pytest.mark.parametrize('ceil_mode', [False, True], ids=['floor', 'ceil'])
def test_channels_last_stays(ceil_mode):
    input = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    output = max_blur_pool2d(input, 3, ceil_mode=ceil_mode)
    assert output.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(output, max_blur_pool2d(input.contiguous(), 3, ceil_mode=ceil_mode))


def test_empty_batch():
    input = torch.rand(0, 3, 9, 8, requires_grad=True)
    output = max_blur_pool2d(input, 3, 2, 1)
    output.sum().backward()
    assert output.shape == (0, 3, 5, 4)


@pytest.mark.parametrize('ceil_mode', [False, True], ids=['floor', 'ceil'])
@pytest.mark.parametrize('filt_size', [1, 3, 4])
def test_gradients(filt_size, ceil_mode):
    # All values differ by more than the step of the numerical derivative, so that no maximum changes its place.
    input = torch.randperm(2 * 6 * 5).view(1, 2, 6, 5).double().requires_grad_()

    def function(input):
        return max_blur_pool2d(input, 3, 2, 1, filt_size, ceil_mode=ceil_mode)

    assert torch.autograd.gradcheck(function, input)
    assert torch.autograd.gradgradcheck(function, input, fast_mode=True)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'kernel_size': 0}, 'kernel_size must be an integer of at least 1 or a pair of them, got 0'),
        ({'stride': -1}, 'stride must be an integer of at least 1 or a pair of them, got -1'),
        ({'padding': -1}, 'padding must be an integer of at least 0 or a pair of them, got -1'),
        ({'padding': 2}, r'padding must be at most half of kernel_size \(2, 2\), got \(2, 2\)'),
        ({'filt_size': 0}, 'filt_size must be an integer of at least 1, got 0'),
        ({'padding_mode': 'same'}, r"padding_mode must be one of .*, got 'same'"),
        ({'input': torch.rand(4, 4)}, r'input must be a floating-point tensor .*, got shape \(4, 4\)'),
    ],
    ids=lambda value: '' if isinstance(value, str) else '-'.join(value),
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        max_blur_pool2d(**{'input': torch.rand(1, 3, 4, 4), **arguments})
