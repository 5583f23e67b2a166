"""Views of an image, and shifts by fractions of a pixel."""

import math
from itertools import product

import pytest
import torch

from antialias_plugins.metrics import fourier_shift, shifted_views
from antialias_plugins.metrics.views import centre_part


def test_crops_by_hand():
    image = torch.arange(20).view(1, 4, 5)
    views = shifted_views(image, [(0, 0), (1, 1)], max_shift=2)
    assert views.tolist() == [[[[0, 1, 2], [5, 6, 7]]], [[[6, 7, 8], [11, 12, 13]]]]


def test_circular_by_hand():
    image = torch.arange(4).view(1, 2, 2)
    views = shifted_views(image, [(0, 1), (1, 0)], max_shift=2, circular=True)
    assert views.tolist() == [[[[1, 0], [3, 2]]], [[[2, 3], [0, 1]]]]


def test_published_protocol():
    image = torch.zeros(3, 256, 256, dtype=torch.uint8)
    views = shifted_views(image, [(0, 0), (31, 31)], max_shift=32)
    assert views.shape == (2, 3, 224, 224)
    assert views.dtype == torch.uint8


def test_circular_view_between_two_pixels():
    # The interpolation of 4 pixels: half a pixel on, each neighbour weighs cot(π/8)/4, or sin(3π/8)/sin(π/8)/4.
    image = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]], dtype=torch.float64)
    [view] = shifted_views(image, [(0, 0.5)], max_shift=1, circular=True)
    near, far = (1 + 2**0.5) / 4, (1 - 2**0.5) / 4
    assert view[0, 0].tolist() == pytest.approx([near, far, far, near], abs=1e-12)


def test_crop_between_two_pixels():
    with pytest.raises(ValueError, match=r'offsets must be whole pixels unless .* got \[\(0, 1\), \(0, 0.5\)\]'):
        shifted_views(torch.zeros(1, 8, 8), [(0, 1), (0, 0.5)], max_shift=2)


@pytest.mark.parametrize(
    ('shape', 'circular', 'message'),
    [
        ((1, 7, 20), False, 'half the shorter side of the image, got 4 for an image of 7x20'),
        ((1, 20, 7), False, 'half the shorter side of the image, got 4 for an image of 20x7'),
        ((1, 3, 20), True, 'the shorter side of the image, got 4 for an image of 3x20'),
        ((8, 8), False, r'image must have shape \(C, H, W\), got \(8, 8\)'),
    ],
    ids=['rows', 'columns', 'circular', 'no-channels'],
)
def test_bad_image(shape, circular, message):
    with pytest.raises(ValueError, match=message):
        shifted_views(torch.zeros(shape), [(0, 0), (3, 3)], max_shift=4, circular=circular)


@pytest.mark.parametrize(
    ('size', 'expected'),
    [((2, 3), [[6, 7, 8], [11, 12, 13]]), ((4, 5), torch.arange(20).view(4, 5).tolist()), ((1, 2), [[6, 7]])],
    ids=['even-margins', 'all', 'odd-margins'],
)
def test_centre_by_hand(size, expected):
    assert centre_part(torch.arange(20).view(1, 4, 5), size).tolist() == [expected]


SIZES = pytest.mark.parametrize(
    ('size', 'shift'),
    [((6, 8), (0.5, 0)), ((5, 7), (0.25, -1.75)), ((6, 7), (3.3, 0.5)), ((1, 4), (0.25, -1.75)), ((2, 1), (3.3, 0.5))],
    ids=str,
)


def noise(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def periodic_sinc(x, size):
    """The trigonometric polynomial of least frequency through 1, 0, …, 0; for even sizes with cos at Nyquist."""
    if abs(x / size - round(x / size)) < 1e-12:
        return 1.0
    turn = math.pi * x / size
    return math.sin(math.pi * x) / (size * (math.sin(turn) if size % 2 else math.tan(turn)))


def interpolated(image, shift):
    """Sum of all pixels, each weighted by the interpolating polynomial around it, pixel by pixel."""
    (height, width), (down, right) = image.shape, shift
    moved = torch.zeros_like(image)
    for y, x, i, j in product(range(height), range(width), range(height), range(width)):
        weight = periodic_sinc(y - down - i, height) * periodic_sinc(x - right - j, width)
        moved[y, x] += image[i, j] * weight
    return moved


@SIZES
def test_is_the_interpolating_polynomial(size, shift):
    image = noise(*size)
    torch.testing.assert_close(fourier_shift(image, shift), interpolated(image, shift), atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ('size', 'shift', 'dtype'),
    [
        ((6, 8), (0, 0), torch.float32),
        ((5, 7), (1, -2), torch.float16),
        ((6, 7), (9.0, 13.0), torch.uint8),
        ((1, 4), (9.0, 13.0), torch.float32),
    ],
    ids=str,
)
def test_whole_shift_is_roll_bit_by_bit(size, shift, dtype):
    image = (100 * noise(2, 3, *size).abs()).to(dtype)
    assert torch.equal(fourier_shift(image, shift), image.roll([int(side) for side in shift], (-2, -1)))


@pytest.mark.parametrize('frequency', range(4))
def test_a_wave_keeps_its_shape(frequency):
    columns, shift = torch.arange(8, dtype=torch.float64), 0.3
    wave = (2 * math.pi * frequency / 8 * columns + 0.7).cos().expand(5, 8)
    expected = (2 * math.pi * frequency / 8 * (columns - shift) + 0.7).cos().expand(5, 8)
    torch.testing.assert_close(fourier_shift(wave, (0, shift)), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(('shift', 'gain'), [(0.5, 0.0), (1 / 3, 0.5), (0.25, 0.5**0.5), (1.0, -1.0)], ids=str)
def test_nyquist_frequency_is_scaled(shift, gain):
    wave = torch.tensor([1.0, -1.0] * 3, dtype=torch.float64).expand(5, 6)
    torch.testing.assert_close(fourier_shift(wave, (0, shift)), gain * wave, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ('size', 'shifts'),
    [((5, 7), [(0.3, -0.7), (1.9, 0.4)]), ((6, 8), [(0.3, -0.7), (2, -1)])],
    ids=['odd', 'even-and-whole'],
)
def test_shifts_compose(size, shifts):
    image = noise(3, *size)
    twice = fourier_shift(fourier_shift(image, shifts[0]), shifts[1])
    once = fourier_shift(image, tuple(map(sum, zip(*shifts, strict=True))))
    torch.testing.assert_close(twice, once, atol=1e-12, rtol=0)


def test_even_sizes_compose_without_the_nyquist_frequency():
    spectrum = torch.fft.rfft2(noise(6, 8))
    spectrum[3], spectrum[:, 4] = 0, 0
    image = torch.fft.irfft2(spectrum, s=(6, 8))
    twice = fourier_shift(fourier_shift(image, (0.5, 0.5)), (0.5, 0.5))
    torch.testing.assert_close(twice, image.roll((1, 1), (0, 1)), atol=1e-12, rtol=0)


@SIZES
def test_mean_stays(size, shift):
    image = noise(2, *size)
    moved = fourier_shift(image, shift)
    torch.testing.assert_close(moved.mean((1, 2)), image.mean((1, 2)), atol=1e-12, rtol=0)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_dtype_stays(dtype):
    image = noise(1, 6, 7).to(dtype)
    moved = fourier_shift(image, (0.5, 0.25))
    assert moved.dtype == dtype
    torch.testing.assert_close(moved, fourier_shift(image.double(), (0.5, 0.25)).to(dtype))


def test_gradient_moves_back():
    image, gradient = noise(2, 6, 7).requires_grad_(), noise(2, 6, 7)
    fourier_shift(image, (0.3, -1.6)).backward(gradient)
    torch.testing.assert_close(image.grad, fourier_shift(gradient, (-0.3, 1.6)), atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ('image', 'shift', 'message'),
    [
        (torch.zeros(4), (0, 0), r'image must have shape \(..., H, W\), got \(4,\)'),
        (torch.zeros(4, 4), (0, math.nan), r'shift must be a pair of finite numbers, .* got \(0, nan\)'),
        (
            torch.zeros(4, 4, dtype=torch.uint8),
            (0, 0.5),
            r'must be floating-point .* \(0, 0.5\) pixels, got torch.uint8',
        ),
    ],
    ids=['no-map', 'nan', '8-bit'],
)
def test_bad_fourier_argument(image, shift, message):
    with pytest.raises(ValueError, match=message):
        fourier_shift(image, shift)
