import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from antialias_plugins.functional import low_cut_pool2d
from antialias_plugins.functional.low_cut_pool import low_cut_matrix

SIDES = [(1, 1), (1, 6), (2, 3), (5, 8), (9, 14), (10, 10)]


def low_cut_loop(input, stride, window='rectangular'):
    """By Fourier transforms: keep what is below the new Nyquist frequency, transform back, subsample."""
    array = input.detach().double().numpy()
    gains = []
    for side, step in zip(array.shape[2:], stride, strict=True):
        waves = np.fft.fftfreq(side) * side
        gain = (2 * step * np.abs(waves) < side - 1e-9).astype(float)
        if window == 'hamming':
            gain *= np.sqrt(0.54 + 0.46 * np.cos(2 * np.pi * waves * step / side))
        gains.append(gain)
    spectrum = np.fft.fft2(array) * np.multiply.outer(*gains)
    return torch.from_numpy(np.fft.ifft2(spectrum).real[..., :: stride[0], :: stride[1]].copy())


def published_formula(input):
    """FLC pooling as its authors compute it, where N is a multiple of 4: bins -N/4 up to N/4 - 1 of a spectrum."""
    side = input.shape[-1]
    quarter, spectrum = side // 4, np.fft.fftshift(np.fft.fft2(input.numpy(), norm='forward'), axes=(2, 3))
    kept = spectrum[:, :, quarter : 3 * quarter, quarter : 3 * quarter]
    return torch.from_numpy(np.fft.ifft2(np.fft.ifftshift(kept, axes=(2, 3)), norm='forward').real)


@pytest.mark.parametrize('window', ['rectangular', 'hamming'])
@pytest.mark.parametrize('stride', [(1, 1), (2, 2), (3, 3), (4, 4), (2, 1)], ids='stride{0[0]}x{0[1]}'.format)
def test_matches_fourier_transforms(stride, window):
    for channels, sides in enumerate(SIDES, start=1):
        input = torch.randn(2, channels, *sides, dtype=torch.float64)
        actual, expected = low_cut_pool2d(input, stride, window), low_cut_loop(input, stride, window)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize('side', [8, 16, 56])
def test_agrees_with_the_published_formula(side):
    """On maps that hold nothing at exactly the new Nyquist frequency, of which the published code keeps a half."""
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=(2, 3, side, side)))
    spectrum[:, :, [side // 4, -side // 4]] = 0
    spectrum[..., [side // 4, -side // 4]] = 0
    input = torch.from_numpy(np.fft.ifft2(spectrum).real)

    torch.testing.assert_close(low_cut_pool2d(input), published_formula(input), rtol=0, atol=1e-13)


@pytest.mark.parametrize('window', ['rectangular', 'hamming'])
@pytest.mark.parametrize('stride', [2, 3])
def test_constant_map_stays_constant_at_every_side(stride, window):
    for side in range(4, 65):
        output = low_cut_pool2d(torch.full((1, 1, side, 69 - side), 3.0, dtype=torch.float64), stride, window)
        torch.testing.assert_close(output, torch.full_like(output, 3.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize('stride', [2, 3])
def test_nothing_is_left_above_the_new_nyquist_frequency(stride):
    """The low-passed map before it is subsampled, at every side: all shifts of the output, put back together."""
    for side in range(4, 65):
        input = torch.randn(1, 1, side, side, dtype=torch.float64)
        dense = torch.empty_like(input)
        for y in range(side):
            dense[..., y, :] = low_cut_pool2d(input.roll(-y, 2), (stride, 1))[:, :, 0]
        spectrum = torch.fft.fft(dense, dim=2).abs().square()
        waves = torch.fft.fftfreq(side, dtype=torch.float64).abs() * side
        beyond = spectrum[:, :, 2 * stride * waves >= side - 1e-9].sum()
        assert beyond <= 1e-12 * spectrum.sum()


@pytest.mark.parametrize('sides', [(8, 12), (14, 10), (48, 6)], ids=str)
def test_shift_of_the_input_is_a_band_limited_shift_of_the_output(sides):
    """Also by a single pixel, which is half a pixel of the output."""
    input = torch.randn(2, 3, *sides, dtype=torch.float64)
    expected, actual = low_cut_pool2d(input), low_cut_pool2d(input.roll((1, -3), (2, 3)))
    for dim, shift in ((2, 0.5), (3, -1.5)):
        spectrum = torch.fft.rfft(expected, dim=dim)
        shape = [-1 if d == dim else 1 for d in range(4)]
        waves = torch.arange(spectrum.shape[dim], dtype=torch.float64).reshape(shape)
        turned = spectrum * torch.exp(-2j * torch.pi * waves * shift / expected.shape[dim])
        expected = torch.fft.irfft(turned, expected.shape[dim], dim=dim)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


def test_gradients():
    input = torch.randn(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(low_cut_pool2d, input)
    assert gradgradcheck(low_cut_pool2d, input)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_rounds_once_in_the_type_of_the_input(dtype):
    input = torch.randn(2, 3, 14, 9).to(dtype)
    actual, expected = low_cut_pool2d(input), low_cut_loop(input, (2, 2))
    assert actual.dtype == dtype
    terms = sum(input.shape[2:]) if dtype == torch.float32 else 0.51
    bound = terms * torch.finfo(dtype).eps * input.double().abs().max()
    assert (actual.double() - expected).abs().max() <= bound


def test_nothing_of_the_input_is_kept_for_backward():
    input, kept = torch.randn(2, 3, 16, 16, requires_grad=True), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        low_cut_pool2d(input)
    assert kept == []


def test_channels_last_stays_channels_last():
    input = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert low_cut_pool2d(input).is_contiguous(memory_format=torch.channels_last)


def test_empty_batch():
    assert low_cut_pool2d(torch.rand(0, 3, 9, 8)).shape == (0, 3, 5, 4)


def test_matrix_of_a_long_axis_has_exact_sums():
    rows = low_cut_matrix(1001, 2, 'rectangular')
    torch.testing.assert_close(rows.sum(1), torch.ones(501, dtype=torch.float64), rtol=0, atol=1e-12)


def test_not_a_map():
    with pytest.raises(ValueError, match=r'input must be a floating-point tensor .*, got shape \(3, 4\)'):
        low_cut_pool2d(torch.rand(3, 4))
