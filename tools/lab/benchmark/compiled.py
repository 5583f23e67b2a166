"""The adaptive filter beside what `torch.compile` makes of its plain operators: fused loops of C++ or Triton.

How far the layer is from what a fused implementation of the same definition takes on this machine.
"""

import dataclasses
import shutil
from collections.abc import Callable, Iterator

from torch import nn

from lab.benchmark.case import Case, Implementation
from lab.benchmark.layers import adaptive_case

SHAPES = ((256, 56, 56), (1024, 14, 14)), ((128, 128, 256),)


def compiled_cases(batches: tuple[int, int] = (8, 2), quick: bool = False) -> Iterator[Case]:
    """Give three shapes of the grid; nothing where there is no C++ compiler. It takes minutes, which are not counted.

    Args:
        batches: Images for a ResNet at 224x224, and for DeepLabV3+ at 512x1024.
        quick: One small shape.

    Yields:
        One case after the other.
    """
    if not any(map(shutil.which, ('c++', 'g++', 'clang++', 'cl'))):
        return
    shapes = [(batch, *place) for batch, places in zip(batches, SHAPES, strict=True) for place in places]
    for shape in [(1, 16, 8, 8)] if quick else shapes:
        yield _with_compiled(adaptive_case(shape))


def _with_compiled(case: Case) -> Case:
    ours, *_, floor = case.implementations
    compiled = Implementation('torch.compile', lambda: _compiled(ours.build))
    implementations = (ours, compiled, floor)
    return dataclasses.replace(case, suite='compiled', group=f'compiled {case.group}', implementations=implementations)


def _compiled(build: Callable[[], nn.Module]) -> nn.Module:
    module = build()
    module.compile(fullgraph=True)
    return module
