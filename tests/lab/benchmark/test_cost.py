import time
from functools import partial

import pytest
import torch
from torch import nn

from lab.benchmark import SavedBytes, count_saved_bytes
from lab.benchmark.cost import peak_bytes, time_interleaved

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


MIB = 2**20
CPU = torch.device('cpu')


def block():
    return torch.empty(MIB, dtype=torch.uint8)


def nothing():
    pass


def one_after_the_other():
    for _ in range(3):
        block()


def all_at_once():
    return [block(), block(), block()]


def first_two_then_one():
    pair = [block(), block()]
    del pair
    return block()


@pytest.mark.parametrize(
    ('run', 'blocks'), [(nothing, 0), (one_after_the_other, 1), (all_at_once, 3), (first_two_then_one, 2)]
)
def test_peak_of_counted_allocations(run, blocks):
    assert peak_bytes(run, CPU) == blocks * MIB


def test_what_was_there_before_does_not_count():
    before = all_at_once()
    assert peak_bytes(block, CPU) == MIB
    assert len(before) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_peak_on_cuda():
    device = torch.device('cuda')
    before = torch.empty(MIB, device=device)
    assert peak_bytes(lambda: torch.empty(MIB, device=device), device) == 4 * MIB
    assert before.is_cuda


def test_sleep_takes_its_time_and_turns_alternate():
    calls = []

    def sleep(name, seconds):
        calls.append(name)
        time.sleep(seconds)

    runs = {'long': partial(sleep, 'long', 0.02), 'short': partial(sleep, 'short', 0.01)}
    timings = time_interleaved(runs, rounds=2, seconds=0.01)
    assert timings['long'].median >= 0.02
    assert 0.01 <= timings['short'].median < timings['long'].median
    assert all(timing.count >= 2 and timing.spread >= 0 for timing in timings.values())
    turns = [name for name, previous in zip(calls, [None, *calls], strict=False) if name != previous]
    assert turns == ['long', 'short', 'long']  # the second round starts with the other one
