"""Which taps count as binomial."""

import pytest
import torch

from antialias_plugins import BlurPool2d
from antialias_plugins.functional.blur_pool import binomial_filter
from antialias_plugins.kernels.binomial import binomial_taps, is_binomial


@pytest.mark.parametrize('filt_size', range(1, 12))
def test_taps_are_repeated_averages_of_neighbours(filt_size):
    taps = [1.0]
    for _ in range(filt_size - 1):
        taps = [(left + right) / 2 for left, right in zip([0.0, *taps], [*taps, 0.0], strict=True)]
    assert binomial_taps(filt_size).tolist() == taps


def test_taps_are_compared_again_after_a_change():
    filt = binomial_filter(3)
    assert is_binomial(filt) and is_binomial(filt)
    filt += 1
    assert not is_binomial(filt)


@pytest.mark.parametrize('filt_size', range(1, 8))
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_taps_of_a_converted_layer_are_known(dtype, filt_size):
    assert is_binomial(BlurPool2d(filt_size=filt_size).to(dtype).filt)


def test_learned_taps_are_not():
    assert not is_binomial(binomial_filter(3).requires_grad_())
