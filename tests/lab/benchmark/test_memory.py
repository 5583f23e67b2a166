import pytest
import torch

from lab.benchmark.memory import peak_bytes

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
