"""The fixed filter on the CPU: products with banded matrices, and the convolution of what they are not for."""

import pytest
import torch

from antialias_plugins.functional.blur_pool import binomial_filter, blur_pool2d
from antialias_plugins.kernels import blur_pool
from antialias_plugins.kernels.blur_pool import Filter, blur_pool2d_reference

SIDES = [(1, 1), (1, 9), (2, 3), (31, 32), (70, 17), (16, 131)]
STRIDES = [(1, 1), (2, 2), (3, 2), (4, 9)]
IS_LEFT = [
    (torch.randn(1, 2, 8, 8), binomial_filter(3), 'circular'),
    (torch.randn(1, 2, 8, 8).bfloat16(), binomial_filter(3), 'reflect'),
    (torch.randn(1, 2, 8, 16)[..., ::2], binomial_filter(3), 'reflect'),
    (torch.randn(1, 2, 8, 8), torch.eye(3), 'reflect'),
    (torch.randn(1, 2, 8, 8).contiguous(memory_format=torch.channels_last), binomial_filter(3), 'reflect'),
    (torch.randn(0, 2, 8, 8), binomial_filter(3), 'reflect'),
]
IS_LEFT_IDS = ['circular', 'half', 'strided', 'not-binomial', 'channels-last', 'empty']


def compare(function, filter, input, tolerance=1e-14):
    """Compare a function and its transpose with the reference."""
    expected, pullback = torch.func.vjp(lambda x: blur_pool2d_reference(x, *filter[:3]), input)
    torch.testing.assert_close(function(input, filter, False), expected, rtol=0, atol=tolerance)
    grad = torch.randn_like(expected)
    torch.testing.assert_close(function(grad, filter, True), pullback(grad)[0], rtol=0, atol=tolerance)


@pytest.mark.parametrize('padding_mode', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize('filt_size', [2, 3, 4, 7])
def test_products_filter(filt_size, padding_mode):
    for sides in SIDES:
        for stride in STRIDES:
            filter = Filter(binomial_filter(filt_size), stride, padding_mode, sides)
            compare(blur_pool._multiply, filter, torch.randn(2, 3, *sides, dtype=torch.float64))


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize('padding_mode', ['zeros', 'reflect', 'replicate', 'circular'])
@pytest.mark.parametrize(('filt_size', 'stride'), [(2, (1, 1)), (3, (2, 2)), (4, (2, 1)), (7, (3, 4))], ids=str)
def test_strips_of_a_convolution_make_the_whole(monkeypatch, filt_size, stride, padding_mode, layout):
    monkeypatch.setattr(blur_pool, '_STRIP', 0)
    for sides in ((1, 1), (3, 2), (24, 9), (37, 8), (50, 11)):
        filter = Filter(binomial_filter(filt_size), stride, padding_mode, sides)
        input = torch.randn(2, 3, *sides, dtype=torch.float64).contiguous(memory_format=layout)
        compare(blur_pool._convolve, filter, input)


def test_pieces_of_products_make_the_whole(monkeypatch):
    monkeypatch.setattr(blur_pool, '_PIECE', 300)
    blur_pool._products.cache_clear()
    filter = Filter(binomial_filter(3), (2, 2), 'reflect', (12, 10))
    compare(blur_pool._multiply, filter, torch.randn(5, 3, 12, 10, dtype=torch.float64))
    blur_pool._products.cache_clear()


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last], ids=str)
def test_what_is_filtered_can_be_changed_in_place(layout):
    input = torch.randn(1, 2, 8, 8).contiguous(memory_format=layout).requires_grad_()
    blur_pool2d(input, 3).mul_(2).sum().backward()
    torch.testing.assert_close(input.grad.sum(), torch.tensor(64.0))


def test_blocks_and_sums_hold_the_band_and_little_else():
    products = blur_pool._products((1, 2, 300, 300), torch.float32, 3, (2, 2), 'reflect', (300, 300), False)
    outputs, inputs, _ = zip(*products.blocks, strict=True)
    assert outputs == ((0, 32), (32, 32), (64, 32), (96, 32), (128, 22))
    assert inputs == ((0, 64), (63, 65), (127, 65), (191, 65), (255, 45))
    ((starts, (rows, offsets, weights)),) = products.pieces
    assert starts == (0, 0)
    assert rows[:6].tolist() == [0, 1, 1, 2, 3, 3] and rows[449:453].tolist() == [300, 301, 301, 302]
    assert len(rows) == len(weights) == offsets[-1] == 2 * (2 + 149 * 3)


@pytest.mark.parametrize('value', [float('inf'), float('-inf'), float('nan')], ids=str)
def test_what_is_not_finite_stays_where_the_filter_sees_it(value):
    input = torch.ones(1, 2, 9, 9)
    input[0, 0, 4, 4] = value
    input.requires_grad_()
    output = blur_pool2d(input, 3)
    assert output.isfinite().sum() == output.numel() - 1
    grad = torch.ones(1, 2, 5, 5)
    grad[0, 0, 2, 2] = value
    assert torch.autograd.grad(output, input, grad)[0].isfinite().sum() == input.numel() - 9


@pytest.mark.parametrize('input, filt, padding_mode', IS_LEFT, ids=IS_LEFT_IDS)
def test_what_is_left_to_the_convolution(input, filt, padding_mode):
    assert blur_pool._multiply(input, Filter(filt, (2, 2), padding_mode, input.shape[2:]), False) is None
    expected = blur_pool2d_reference(input.float(), filt, (2, 2), padding_mode).to(input.dtype)
    torch.testing.assert_close(blur_pool.blur_pool2d(input, filt, (2, 2), padding_mode), expected)


def test_learned_taps_get_a_gradient():
    input, filt = torch.randn(1, 2, 8, 8), torch.rand(3, 3, requires_grad=True)
    blur_pool2d(input, 3, filt=filt).sum().backward()
    assert filt.grad.shape == (3, 3) and (filt.grad != 0).all()


def test_matrices_made_in_inference_mode_serve_training():
    blur_pool._products.cache_clear()
    input = torch.randn(1, 2, 8, 8)
    with torch.inference_mode():
        blur_pool2d(input, 3)
    blur_pool2d(input.requires_grad_(), 3).sum().backward()
    torch.testing.assert_close(input.grad.sum(), torch.tensor(32.0))
