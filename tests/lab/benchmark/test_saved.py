import pytest
import torch
from torch import nn

from lab.benchmark import SavedBytes, count_saved_bytes

FLOAT = 4


class TwoViews(nn.Module):
    """Saves two views, of different shapes, of one map that it makes."""

    def forward(self, x):
        made = x + 1
        return (made[:1] * made[1:]).sum() + made.view(-1).square().sum()


class Kept(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x[:, :1])
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class PartOfInput(nn.Module):
    """Saves a view of one channel, which keeps the whole map alive."""

    def forward(self, x):
        return Kept.apply(x)


# A map of (2, 4, 6, 6) has 288 values; a 3x3 convolution of 4 to 8 channels has 288 weights.
@pytest.mark.parametrize(
    ('module', 'activations', 'input', 'parameters'),
    [
        pytest.param(nn.Conv2d(4, 8, 3, bias=False), 0, 288, 288, id='convolution: input and weight'),
        pytest.param(nn.Conv2d(4, 8, 3), 0, 288, 288, id='convolution: no need for the bias'),
        pytest.param(nn.ReLU(), 288, 0, 0, id='relu: its output'),
        pytest.param(nn.Sequential(nn.ReLU(), nn.Conv2d(4, 8, 3)), 288, 0, 288, id='an activation saved twice'),
        pytest.param(TwoViews(), 288, 0, 0, id='two views of one map'),
        pytest.param(PartOfInput(), 0, 288, 0, id='a view of a part'),
        pytest.param(nn.Identity(), 0, 0, 0, id='nothing'),
    ],
)
def test_each_storage_counts_once(module, activations, input, parameters):
    counted = count_saved_bytes(module, torch.rand(2, 4, 6, 6, requires_grad=True))
    assert counted == SavedBytes(FLOAT * activations, FLOAT * input, FLOAT * parameters)


def test_nothing_is_saved_without_gradients():
    frozen = nn.Conv2d(4, 8, 3).requires_grad_(False)
    assert count_saved_bytes(frozen, torch.rand(2, 4, 6, 6)) == SavedBytes(0, 0, 0)


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16], ids=str)
def test_bytes_follow_the_type(dtype):
    counted = count_saved_bytes(nn.ReLU(), torch.rand(10, dtype=dtype, requires_grad=True))
    assert counted.activations == 10 * dtype.itemsize
