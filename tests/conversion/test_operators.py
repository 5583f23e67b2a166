import pytest
import torch
from torch import nn
from torch.nn import functional as F

from antialias_plugins.conversion.operators import ALIGNED, dense_grid


class Standardized(nn.Conv2d):
    """Standardizes its weight, as GroupNorm's companions do."""

    def forward(self, x):
        weight = (self.weight - self.weight.mean()) / self.weight.std()
        return F.conv2d(x, weight, None, self.stride, self.padding)


class PaddedByItsStride(nn.Conv2d):
    def forward(self, x):
        return super().forward(F.pad(x, (self.stride[0], 0, self.stride[0], 0)))


@pytest.mark.parametrize(('layer', 'grid'), [(Standardized, ALIGNED), (PaddedByItsStride, None)])
@pytest.mark.parametrize('size', [1.0, 1e38], ids=['finite', 'overflowing'])
def test_own_forward_is_tried_out_on_finite_values(layer, grid, size):
    """The 53 standardized layers of an untrained ResNet-50 take its activations beyond float32."""
    torch.manual_seed(0)
    x = size * torch.rand(1, 8, 9, 9)

    assert dense_grid(layer(8, 4, 3, stride=2, padding=1, bias=False), x) == grid
