"""Outputs of the filters that are changed in place, as `torch.nn.ReLU(inplace=True)` does."""

import pytest
import torch

from antialias_plugins.layers import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    BlurPool2d,
    FrequencyLowCutPool2d,
    LearnablePolyphasePool2d,
    MaxBlurPool2d,
    TranslationInvariantPolyphasePool2d,
)
from tests.pairs import pairwise

LAYERS = {
    'blur': lambda: BlurPool2d(8),
    'circular blur': lambda: BlurPool2d(8, 3, padding_mode='circular'),
    'dense blur': lambda: BlurPool2d(8, 3, 1),
    'subsampling': lambda: BlurPool2d(8, 1),
    'max-blur': lambda: MaxBlurPool2d(3, 2, 1),
    'adaptive': lambda: AdaptiveBlurPool2d(8),
    'dense adaptive': lambda: AdaptiveBlurPool2d(8, stride=1),
    'low cut': lambda: FrequencyLowCutPool2d(8),
    'adaptive polyphase': lambda: AdaptivePolyphasePool2d(8, filt_size=3),
    'learnable polyphase': lambda: LearnablePolyphasePool2d(8),
    'polyphase mixing': lambda: TranslationInvariantPolyphasePool2d(8),
}


@pytest.mark.parametrize(
    ('layer', 'layout', 'side'), pairwise(LAYERS, [torch.contiguous_format, torch.channels_last], [9, 40]), ids=str
)
def test_the_gradient_is_that_of_a_copy(layer, layout, side):
    layer = LAYERS[layer]().eval().double()
    input = torch.randn(2, 8, side, side, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    output, expected = layer(input).relu_(), layer(input).relu()
    assert torch.equal(output, expected)
    weight = torch.randn_like(output)
    actual, wanted = (torch.autograd.grad((map * weight).sum(), input)[0] for map in (output, expected))
    torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-14)
