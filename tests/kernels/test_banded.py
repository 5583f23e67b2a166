import pytest
import torch

from antialias_plugins.functional.blur_pool import binomial_filter, blur_pool2d
from antialias_plugins.kernels import banded, eager, low_pass

SIDES = [(1, 1), (1, 9), (2, 3), (31, 32), (70, 17), (16, 131)]
STRIDES = [(1, 1), (2, 2), (3, 2), (4, 9)]


@pytest.mark.parametrize('padding_mode', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize('filt_size', [2, 3, 4, 7])
def test_products_filter(filt_size, padding_mode):
    filt = binomial_filter(filt_size)
    for sides in SIDES:
        for stride in STRIDES:
            input = torch.randn(2, 3, *sides, dtype=torch.float64)
            expected, pullback = torch.func.vjp(
                lambda x, stride=stride: eager.blur_pool2d(x, filt, stride, padding_mode), input
            )
            actual = banded.blur_pool2d(input, filt, stride, padding_mode)
            torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)
            grad = torch.randn_like(expected)
            actual = banded.blur_pool2d_transpose(grad, filt, stride, padding_mode, sides)
            torch.testing.assert_close(actual, pullback(grad)[0], rtol=0, atol=1e-14)


def test_pieces_make_the_whole(monkeypatch):
    monkeypatch.setattr(banded, '_PIECE', 300)
    filt = binomial_filter(3)
    input = torch.randn(5, 3, 12, 10, dtype=torch.float64)
    expected, pullback = torch.func.vjp(lambda x: eager.blur_pool2d(x, filt, (2, 2), 'reflect'), input)
    actual = banded.blur_pool2d(input, filt, (2, 2), 'reflect')
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)
    grad = torch.randn_like(expected)
    actual = banded.blur_pool2d_transpose(grad, filt, (2, 2), 'reflect', (12, 10))
    torch.testing.assert_close(actual, pullback(grad)[0], rtol=0, atol=1e-14)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last], ids=str)
def test_what_is_filtered_can_be_changed_in_place(layout):
    input = torch.randn(1, 2, 8, 8).contiguous(memory_format=layout).requires_grad_()
    blur_pool2d(input, 3).mul_(2).sum().backward()
    torch.testing.assert_close(input.grad.sum(), torch.tensor(64.0))


AXIS = banded.Axis(300, 2, (0.25, 0.5, 0.25), 'reflect', torch.float32, transposed=False)


def test_blocks_hold_the_band_and_little_else():
    blocks = banded._blocks(AXIS)
    assert [block.outputs for block in blocks] == [(0, 32), (32, 32), (64, 32), (96, 32), (128, 22)]
    assert [block.inputs for block in blocks] == [(0, 64), (63, 65), (127, 65), (191, 65), (255, 45)]


def test_sums_read_the_band_and_nothing_else():
    sums, weights = banded._row_sums(AXIS, (2, 300))
    assert sums.rows[:6].tolist() == [0, 1, 1, 2, 3, 3] and sums.rows[449:453].tolist() == [300, 301, 301, 302]
    assert len(sums.rows) == len(weights) == sums.offsets[-1] == 2 * (2 + 149 * 3)


@pytest.mark.parametrize('value', [float('inf'), float('-inf'), float('nan')], ids=str)
def test_what_is_not_finite_stays_where_the_filter_sees_it(value):
    filt = binomial_filter(3)
    input = torch.ones(1, 2, 9, 9)
    input[0, 0, 4, 4] = value
    output = low_pass.blur_pool2d(input, filt, (2, 2), 'reflect')
    assert output.isfinite().sum() == output.numel() - 1
    grad = torch.ones(1, 2, 5, 5)
    grad[0, 0, 2, 2] = value
    spread = low_pass.blur_pool2d_transpose(grad, filt, (2, 2), 'reflect', (9, 9))
    assert spread.isfinite().sum() == spread.numel() - 9


@pytest.mark.parametrize(
    'input, filt, padding_mode',
    [
        (torch.randn(1, 2, 8, 8), binomial_filter(3), 'circular'),
        (torch.randn(1, 2, 8, 8).bfloat16(), binomial_filter(3), 'reflect'),
        (torch.randn(1, 2, 8, 16)[..., ::2], binomial_filter(3), 'reflect'),
        (torch.randn(1, 2, 8, 8), torch.eye(3), 'reflect'),
        (torch.randn(1, 2, 8, 8).contiguous(memory_format=torch.channels_last), binomial_filter(3), 'reflect'),
        (torch.randn(0, 2, 8, 8), binomial_filter(3), 'reflect'),
    ],
    ids=['circular', 'half', 'strided', 'not-separable', 'channels-last', 'empty'],
)
def test_what_is_left_to_the_convolution(input, filt, padding_mode):
    assert banded.blur_pool2d(input, filt, (2, 2), padding_mode) is None
    torch.testing.assert_close(
        low_pass.blur_pool2d(input, filt, (2, 2), padding_mode), eager.blur_pool2d(input, filt, (2, 2), padding_mode)
    )


def test_matrices_made_in_inference_mode_serve_training():
    banded._blocks.cache_clear()
    banded._row_sums.cache_clear()
    input, filt = torch.randn(1, 2, 8, 8), binomial_filter(3)
    with torch.inference_mode():
        low_pass.blur_pool2d(input, filt, (2, 2), 'reflect')
    blur_pool2d(input.requires_grad_(), 3).sum().backward()
    torch.testing.assert_close(input.grad.sum(), torch.tensor(32.0))
