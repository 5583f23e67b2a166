"""Maximum over a window at every position, alone and in front of the fixed filter.

Shapes: N batch, C channels, H W sides, S stride. No list is kept of where a maximum was found. On the CPU torch's own
pool is quick only where the channels of a position lie next to each other. Elsewhere the maximum is taken along one
axis and then along the other, by views of the map shifted against each other.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.backend import uses_reference, uses_triton, width_of
from antialias_plugins.kernels.blur_pool import blur_pool2d, blur_pool2d_reference, small_shapes, square_taps
from antialias_plugins.kernels.first_use import Op, is_trusted
from antialias_plugins.kernels.maps import as_type, is_channels_last, is_on_cpu, widen

_PIECE = 2**19  # elements at once in the forward pass: what lies between the two axes stays in the cache
_CHANNELS = 16  # at once in the backward pass: enough for vector instructions, few enough for the cache


class MaxWindow(NamedTuple):
    """A window of a maximum at stride 1, each entry ``(vertical, horizontal)``.

    Attributes:
        kernel_size: number of values the window looks at.
        padding: minus infinities before and after the map.
        dilation: spacing of the values.
        overhang: further minus infinities after the map, if there may be any.
    """

    kernel_size: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)
    overhang: tuple[int, int] | None = None

    def side(self, axis: int, size: int) -> int:
        """Number of windows along the vertical (0) or horizontal (1) axis of `size` values."""
        overhang = self.overhang[axis] if self.overhang else 0
        return size + 2 * self.padding[axis] + overhang - self.dilation[axis] * (self.kernel_size[axis] - 1)

    def reaching(self, sides: tuple[int, int], stride: tuple[int, int]) -> 'MaxWindow':
        """Return the window for which a max pool of that stride with ``ceil_mode`` has as many positions to keep."""
        overhang = tuple(self._overhang(axis, sides[axis], stride[axis]) for axis in (0, 1))
        return MaxWindow(self.kernel_size, self.padding, self.dilation, overhang)  # Dynamo of torch 2.5 has no _replace

    def _overhang(self, axis: int, size: int, stride: int) -> int:
        """How far the last partly covered window reaches over the end; torch drops one that starts beyond the map."""
        padding, window = self.padding[axis], self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
        missing = (window - size - 2 * padding) % stride
        return missing if window - padding >= stride or missing < window - padding else 0


def max_blur_pool2d(
    input: Tensor,
    window: MaxWindow,
    filt: Tensor | int,
    stride: tuple[int, int],
    padding_mode: str,
    backend: str | None = None,
) -> Tensor:
    """Compute `dense_max_pool2d` and `blur_pool2d` of it: in one pass by Triton, which keeps the input alone."""
    filt_size = width_of(filt)
    if uses_triton(
        input,
        filt_size,
        filt=None if isinstance(filt, int) else filt,
        window=window,
        backend=backend,
        trusted=lambda: is_trusted(MAX_BLUR_POOL, (input,), window, filt_size, stride, padding_mode),
    ):
        return _by_triton(input, window, filt, stride, padding_mode)
    return blur_pool2d(dense_max_pool2d(input, window, backend), filt, stride, padding_mode, backend)


def _by_triton(input: Tensor, *settings: Any) -> Tensor:
    from antialias_plugins.kernels.triton import max_blur_pool

    return max_blur_pool.MaxBlurPool.apply(input, *settings)


def dense_max_pool2d(input: Tensor, window: MaxWindow, backend: str | None = None) -> Tensor:
    """Compute `dense_max_pool2d_reference`; the input is kept for the backward pass."""
    return dense_max_pool2d_reference(input, window) if uses_reference(backend) else DenseMax.apply(input, window)


def dense_max_pool2d_reference(input: Tensor, window: MaxWindow) -> Tensor:
    """Take the maximum of the window at each of ``window.side(axis, size)`` positions; NaN if there is one in it."""
    map = widen(input)
    if window.overhang:
        bottom, right = window.overhang
        map = F.pad(map, (0, right, 0, bottom), value=float('-inf'))
    return as_type(F.max_pool2d(map, window.kernel_size, 1, window.padding, window.dilation), input.dtype)


MAX_BLUR_POOL = Op(
    'max_blur_pool2d',
    lambda map, window, filt_size, *settings: _by_triton(map, window, square_taps(filt_size), *settings),
    lambda map, window, filt_size, *settings: blur_pool2d_reference(
        dense_max_pool2d_reference(map, window), square_taps(filt_size), *settings
    ),
    small_shapes,
)


class DenseMax(torch.autograd.Function):
    """``DenseMax.apply(input, window)`` is ``dense_max_pool2d_reference(input, window)``; only the input is kept.

    As in torch's pool, the gradient of a window goes to the first of its largest values, row by row, or to its last
    NaN: the places are looked up again by torch's pool itself.
    """

    @staticmethod
    def forward(ctx, input: Tensor, window: MaxWindow) -> Tensor:
        """Take the maximum."""
        ctx.save_for_backward(input)
        ctx.window = window
        return _max(input, window) if _is_slow_for_torch(input) else dense_max_pool2d_reference(input, window)

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
    return is_on_cpu(input) and not is_channels_last(input)


def _pull_back(grad: Tensor, input: Tensor, window: MaxWindow) -> Tensor:
    """Gradient of the input by torch's pool, which can be differentiated again."""
    _, pullback = torch.func.vjp(lambda map: dense_max_pool2d_reference(map, window), input)
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
    """Maximum of (maps, H, W) along the vertical (0) or horizontal (1) axis: each value of the window is a shift."""
    size, side = input.shape[1 + axis], output.shape[1 + axis]
    output.fill_(float('-inf'))
    for tap in range(window.kernel_size[axis]):
        shift = tap * window.dilation[axis] - window.padding[axis]
        first, end = max(0, -shift), min(side, size - shift)
        if first < end:
            part = output.narrow(1 + axis, first, end - first)
            torch.maximum(part, input.narrow(1 + axis, first + shift, end - first), out=part)
