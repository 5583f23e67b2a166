"""Maximum over a window at every position, without a list of where it was found.

Shapes: N batch, C channels, H W sides. On the CPU torch's own pool is quick only where the channels of a position lie
next to each other. Elsewhere the maximum is taken along one axis and then along the other, by views of the map shifted
against each other.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from antialias_plugins.kernels import eager
from antialias_plugins.kernels.max_window import MaxWindow
from antialias_plugins.kernels.precision import is_channels_last

_PIECE = 2**19  # elements at once in the forward pass: what lies between the two axes stays in the cache
_CHANNELS = 16  # at once in the backward pass: enough for vector instructions, few enough for the cache


class DenseMax(torch.autograd.Function):
    """``DenseMax.apply(input, window)`` is ``eager.dense_max_pool2d(input, window)``; only the input is kept.

    As in torch's pool, the gradient of a window goes to the first of its largest values, row by row, or to its last
    NaN: the places are looked up again by torch's pool itself.
    """

    @staticmethod
    def forward(ctx, input: Tensor, window: MaxWindow) -> Tensor:
        """Take the maximum."""
        ctx.save_for_backward(input)
        ctx.window = window
        return _max(input, window) if _is_slow_for_torch(input) else eager.dense_max_pool2d(input, window)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        """Find the places again."""
        (input,) = ctx.saved_tensors
        if torch.is_grad_enabled() or not _is_slow_for_torch(input):
            return _pull_back(grad, input, ctx.window), None
        routed = torch.empty_like(input)
        maps = (map.split(_CHANNELS, 1) for map in (routed, grad, input))
        for target, *parts in zip(*maps, strict=True):
            parts = [part.contiguous(memory_format=torch.channels_last) for part in parts]
            target.copy_(_pull_back(*parts, ctx.window))
        return routed, None


def _is_slow_for_torch(input: Tensor) -> bool:
    return input.device.type == 'cpu' and not is_channels_last(input)


def _pull_back(grad: Tensor, input: Tensor, window: MaxWindow) -> Tensor:
    """Gradient of the input by torch's pool, which can be differentiated again."""
    _, pullback = torch.func.vjp(lambda map: eager.dense_max_pool2d(map, window), input)
    return pullback(grad)[0]


def _max(input: Tensor, window: MaxWindow) -> Tensor:
    """Maximum along one axis and then along the other, a piece at a time."""
    height, width = (window.side(axis, input.shape[2 + axis]) for axis in (0, 1))
    output = input.new_empty(*input.shape[:2], height, width)
    maps = input.flatten(0, 1)
    count = max(_PIECE // math.prod(input.shape[2:]), 1)
    for part, target in zip(maps.split(count), output.flatten(0, 1).split(count), strict=True):
        half = part.new_empty(len(part), input.shape[2], width)
        _max_along(part, window, 1, half)
        _max_along(half, window, 0, target)
    return output


def _max_along(input: Tensor, window: MaxWindow, axis: int, output: Tensor) -> None:
    """Maximum of (maps, H, W) along the vertical (0) or horizontal (1) axis."""
    output.fill_(float('-inf'))
    for reached, met in _pairs(window, axis, input.shape[1 + axis]):
        part = output.narrow(1 + axis, *reached)
        torch.maximum(part, input.narrow(1 + axis, *met), out=part)


def _pairs(window: MaxWindow, axis: int, size: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """For each value of the window: first and number of the outputs that find it on the map, and of what they see."""
    for tap in range(window.kernel_size[axis]):
        shift = tap * window.dilation[axis] - window.padding[axis]
        first, end = max(0, -shift), min(window.side(axis, size), size - shift)
        if first < end:
            yield (first, end - first), (first + shift, end - first)
