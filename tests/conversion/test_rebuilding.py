"""Blocks that merge their parallel branches into one convolution after they were converted."""

import pickle

import pytest
import torch
from torch import nn

from antialias_plugins import UnsupportedModelError, convert_antialias, revert_antialias


class Branches(nn.Module):
    """Two parallel convolutions that `switch_to_deploy` merges into one, of the block's own stride (as in RepVGG)."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        self.stride = 2
        self.one, self.two, self.act = nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), act

    def forward(self, x):
        return self.act(self.one(x) + (self.two(x) if self.two else 0))

    def switch_to_deploy(self):
        merged = nn.Conv2d(4, 4, 3, self.stride, 1)
        merged.weight.data, merged.bias.data = self.one.weight + self.two.weight, self.one.bias + self.two.bias
        self.one, self.two = merged, None


def test_merged_branches_do_not_stride_again():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Branches(nn.ReLU()))
    x = torch.rand(1, 3, 32, 32)
    convert_antialias(model)
    expected = model(x)
    model[1].switch_to_deploy()
    torch.testing.assert_close(model(x), expected)


def test_branches_that_carry_filters_refuse_to_be_merged():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Branches(nn.Identity()))
    convert_antialias(model)
    with pytest.raises(UnsupportedModelError, match=r'1\.switch_to_deploy\(\) would drop a filter .* call it before'):
        pickle.loads(pickle.dumps(model))[1].switch_to_deploy()
    revert_antialias(model)[1].switch_to_deploy()
    assert model[1].one.stride == (2, 2)
