"""The filters once more, as loops over numpy arrays in float64."""

import numpy as np
import pytest
import torch

NUMPY_MODES = {'zeros': 'constant', 'reflect': 'reflect', 'replicate': 'edge', 'circular': 'wrap'}


def _pad(array, filt_size, padding_mode):
    before, after = (filt_size - 1) // 2, filt_size // 2
    if padding_mode == 'reflect' and after >= min(array.shape[2:]):
        padding_mode = 'replicate'
    return np.pad(array, ((0, 0), (0, 0), (before, after), (before, after)), NUMPY_MODES[padding_mode])


def _as_array(tensor):
    return tensor.detach().double().numpy()


@pytest.fixture(scope='session')
def blur_loop():
    def blur(input, filt_size, stride, padding_mode):
        taps = np.ones(1)
        for _ in range(filt_size - 1):
            taps = np.convolve(taps, [0.5, 0.5])
        padded = _pad(_as_array(input), filt_size, padding_mode)
        rows, columns = (range(0, side, step) for side, step in zip(input.shape[2:], stride, strict=True))
        output = np.empty((*input.shape[:2], len(rows), len(columns)))
        for i, top in enumerate(rows):
            for j, left in enumerate(columns):
                window = padded[:, :, top : top + filt_size, left : left + filt_size]
                output[:, :, i, j] = np.einsum('ncuv,u,v->nc', window, taps, taps)
        return torch.from_numpy(output)

    return blur


@pytest.fixture(scope='session')
def dense_max_loop():
    def dense_max(input, kernel_size, padding):
        border = ((0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1]))
        padded = np.pad(_as_array(input), border, constant_values=-np.inf)
        rows, columns = (side - window + 1 for side, window in zip(padded.shape[2:], kernel_size, strict=True))
        output = np.empty((*input.shape[:2], rows, columns))
        for i in range(rows):
            for j in range(columns):
                output[:, :, i, j] = padded[:, :, i : i + kernel_size[0], j : j + kernel_size[1]].max((2, 3))
        return torch.from_numpy(output)

    return dense_max


@pytest.fixture(scope='session')
def adaptive_loop():
    def adaptive(input, logits, filt_size, stride, groups, padding_mode, softmax):
        padded = _pad(_as_array(input), filt_size, padding_mode)
        odds = np.exp(_as_array(logits)).reshape(len(logits), groups, filt_size, filt_size, *logits.shape[2:])
        weights = odds / odds.sum((1, 2, 3) if softmax == 'joint' else (2, 3), keepdims=True)
        output = np.empty((*input.shape[:2], *logits.shape[2:]))
        for channel in range(input.shape[1]):
            group = channel * groups // input.shape[1]
            for i in range(logits.shape[2]):
                for j in range(logits.shape[3]):
                    top, left = i * stride[0], j * stride[1]
                    window = padded[:, channel, top : top + filt_size, left : left + filt_size]
                    output[:, channel, i, j] = (window * weights[:, group, :, :, i, j]).sum((1, 2))
        return torch.from_numpy(output)

    return adaptive
