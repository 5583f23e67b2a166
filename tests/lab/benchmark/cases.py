"""A case whose every number is known: doubling a map of ten values."""

import torch
from torch import nn

from lab.benchmark import Case, Implementation

FAULTS = {
    '': lambda x: x + x,
    'output': lambda x: x + x + 1e-3,
    'gradient': lambda x: x + x + 1e-3 * (x - x.detach()),
    'shape': lambda x: (x + x)[:9],
    'nan': lambda x: x + x + float('nan'),
}


class Double(nn.Module):
    """Saves nothing for backward. It has the fault of that name."""

    def __init__(self, fault=''):
        super().__init__()
        self.compute = FAULTS[fault]

    def forward(self, x):
        return self.compute(x)


class Square(nn.Module):
    """Computes another function, and saves its input."""

    def forward(self, x):
        return x.square()


def double_case(ours='', other=''):
    return Case(
        suite='layers',
        group='double',
        name='10',
        make_input=lambda: torch.arange(1.0, 11.0),
        reference=Double,
        implementations=(
            Implementation('ours', lambda: Double(ours)),
            Implementation('other', lambda: Double(other)),
            Implementation('square', Square, floor=True),
        ),
    )
