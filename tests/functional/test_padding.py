import logging

import pytest
import torch

from antialias_plugins.functional import padding
from antialias_plugins.functional.padding import pad2d

MODES = ('zeros', 'reflect', 'replicate', 'circular')
SIDES = [(1, 1), (1, 7), (2, 2), (3, 9), (8, 5)]


@pytest.mark.parametrize('sides', SIDES, ids='{0[0]}x{0[1]}'.format)
@pytest.mark.parametrize('padding_mode', MODES)
@pytest.mark.parametrize('filt_size', range(1, 8))
def test_matches_numpy(pad_loop, filt_size, padding_mode, sides):
    input = torch.rand(2, 3, *sides, dtype=torch.float64)
    torch.testing.assert_close(
        pad2d(input, filt_size, padding_mode), pad_loop(input, filt_size, padding_mode), rtol=0, atol=0
    )


@pytest.mark.parametrize('padding_mode', MODES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_keeps_half_types(pad_loop, dtype, padding_mode):
    input = torch.rand(1, 2, 5, 6).to(dtype)
    padded = pad2d(input, 4, padding_mode)
    assert padded.dtype == dtype
    assert torch.equal(padded.double(), pad_loop(input, 4, padding_mode))


def test_odd_taps_are_centred_and_even_taps_lean_to_the_right():
    row = torch.tensor([[[[1.0, 2.0, 3.0]] * 3]])
    assert pad2d(row, 3)[0, 0, 1].tolist() == [2, 1, 2, 3, 2]
    assert pad2d(row, 4, 'replicate')[0, 0, 1].tolist() == [1, 1, 2, 3, 3, 3]


def test_says_once_that_a_map_is_too_small_for_reflection(caplog):
    padding._log_fallback.cache_clear()
    with caplog.at_level(logging.DEBUG, 'antialias_plugins'):
        pad2d(torch.rand(1, 1, 3, 3), 5)
        assert not caplog.records
        pad2d(torch.rand(1, 1, 2, 3), 5)
        pad2d(torch.rand(1, 1, 1, 1), 3)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match=r"padding_mode must be one of 'zeros', .*'circular', got 'mirror'"):
        pad2d(torch.rand(1, 1, 4, 4), 3, 'mirror')
