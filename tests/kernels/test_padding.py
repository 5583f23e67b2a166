import logging

import numpy as np
import pytest
import torch

from antialias_plugins.kernels import maps, padding
from antialias_plugins.kernels.padding import pad2d_reference as pad2d
from tests.pairs import pairwise

NUMPY_MODES = {'zeros': 'constant', 'reflect': 'reflect', 'replicate': 'edge', 'circular': 'wrap'}
SIDES = [(1, 1), (1, 7), (2, 2), (3, 9), (8, 5)]


def numpy_pad(input, filt_size, padding_mode):
    before, after = (filt_size - 1) // 2, filt_size // 2
    if padding_mode == 'reflect' and after >= min(input.shape[2:]):
        padding_mode = 'replicate'
    border = ((0, 0), (0, 0), (before, after), (before, after))
    return torch.from_numpy(np.pad(input.double().numpy(), border, NUMPY_MODES[padding_mode]))


@pytest.mark.parametrize('padding_mode', NUMPY_MODES)
@pytest.mark.parametrize('filt_size', range(1, 8))
def test_matches_numpy(filt_size, padding_mode):
    for sides in SIDES:
        input = torch.rand(2, 3, *sides, dtype=torch.float64)
        assert torch.equal(pad2d(input, filt_size, padding_mode), numpy_pad(input, filt_size, padding_mode))


@pytest.mark.parametrize('padding_mode', NUMPY_MODES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_keeps_half_types(dtype, padding_mode):
    input = torch.rand(1, 2, 5, 6).to(dtype)
    padded = pad2d(input, 4, padding_mode)
    assert padded.dtype == dtype
    assert torch.equal(padded.double(), numpy_pad(input, 4, padding_mode))


def test_odd_taps_are_centred_and_even_taps_lean_to_the_right():
    row = torch.tensor([[[[1.0, 2.0, 3.0]] * 3]])
    assert pad2d(row, 3)[0, 0, 1].tolist() == [2, 1, 2, 3, 2]
    assert pad2d(row, 4, 'replicate')[0, 0, 1].tolist() == [1, 1, 2, 3, 3, 3]


def test_says_once_that_a_map_is_too_small_for_reflection(caplog):
    padding.log_once.cache_clear()
    with caplog.at_level(logging.DEBUG, 'antialias_plugins'):
        pad2d(torch.rand(1, 1, 3, 3), 5)
        assert not caplog.records
        pad2d(torch.rand(1, 1, 2, 3), 5)
        pad2d(torch.rand(1, 1, 1, 1), 3)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize('padding_mode', ['zeros', 'reflect', 'replicate', 'circular'])
@pytest.mark.parametrize('filt_size', [2, 3, 4, 9])
def test_padding_into_channels_last(filt_size, padding_mode, dtype):
    for shape in ((2, 3, 9, 8), (1, 130, 4, 7), (1, 2, 2, 1), (0, 3, 6, 6)):
        for layout in (torch.contiguous_format, torch.channels_last):
            input = torch.randn(shape, dtype=dtype).contiguous(memory_format=layout)
            actual = padding.pad2d_channels_last(input, filt_size, padding_mode)
            assert actual.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(actual, pad2d(input, filt_size, padding_mode), rtol=0, atol=0)


@pytest.mark.parametrize('target', [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize('source', [torch.contiguous_format, torch.channels_last], ids=str)
def test_copies_between_memory_formats(source, target):
    for shape in ((2, 300, 5, 300), (1, 3, 600, 2), (2, 1, 4, 4), (0, 3, 4, 4)):
        expected = torch.randn(shape)
        actual = torch.full(shape, float('nan')).contiguous(memory_format=target)
        maps.copy_map_(actual, expected.contiguous(memory_format=source))
        assert torch.equal(actual, expected)


@pytest.mark.parametrize(
    ('filt_size', 'padding_mode', 'layout'),
    pairwise([1, 2, 3, 4, 7], NUMPY_MODES, [None, torch.contiguous_format, torch.channels_last]),
    ids=str,
)
def test_unpad_is_the_transpose(filt_size, padding_mode, layout):
    for sides in SIDES:
        input = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)
        padded = pad2d(input, filt_size, padding_mode)
        grad = torch.randn_like(padded).contiguous(memory_format=torch.channels_last)
        before = grad.clone()
        (expected,) = torch.autograd.grad(padded, input, grad)
        actual = padding.unpad2d(grad, filt_size, padding_mode, layout)
        torch.testing.assert_close(actual, expected)
        assert actual.is_contiguous(memory_format=layout or torch.channels_last) and torch.equal(grad, before)
