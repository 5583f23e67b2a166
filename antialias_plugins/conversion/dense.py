"""What changed modules compute at stride 1, before or behind a filter: methods of the classes that `attach` makes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from antialias_plugins.conversion import operators as ops
from antialias_plugins.functional.max_blur_pool import dense_max_pool2d
from antialias_plugins.kernels import static_shape


def _other(self, *args: Any, **kwargs: Any) -> Any:
    return self._aa_other_forward(*args, **kwargs)


def _same(self, *args: Any, **kwargs: Any) -> Tensor:
    """The dense result from where the strided one begins; its padding is that of the stride it had."""
    dense = self._aa_base_forward(*args, **kwargs)
    (input,) = (*args, *kwargs.values())
    top, left = ops.same_origin(self, self._aa_stride, static_shape(input)[-2:])
    return dense[..., top:, left:]


def _max(self, input: Tensor) -> Tensor:
    return dense_max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


def _circular(self, input: Tensor) -> Tensor:
    """A max pool whose map goes on at the other side; at stride 1 it has a result for every pixel."""
    return F.max_pool2d(_wrapped(self, input), self.kernel_size, self.stride, 0, self.dilation, self.ceil_mode)


def _circular_max(self, input: Tensor) -> Tensor:
    return dense_max_pool2d(_wrapped(self, input), self.kernel_size, 1, 0, self.dilation)


def _whole(self, input: Tensor) -> Tensor:
    """The map itself: the filter rounds an odd size up."""
    return input


def _cropped(self, input: Tensor) -> Tensor:
    """The part of the map that gives the pool's own output size.

    Sizes stay symbols where the program is recorded, so it is cut to one bound after the other, not to the smallest.
    """
    for dim, k, s, p in zip((-2, -1), *_geometry(self), strict=True):
        for kept in _pooled_sizes(input.shape[dim], k, s, p, self.ceil_mode) if s > 1 else ():
            input = input[(..., slice(s * kept), *[slice(None)] * (-1 - dim))]
    return input


def _mean(self, input: Tensor) -> Tensor:
    """The average at stride 1: the pool's own values wherever the filter only subsamples."""
    (top, left), missing = ops.pair(self.padding), []
    for n, k, s, p in zip(static_shape(input)[-2:], *_geometry(self), strict=True):
        whole = (min(_pooled_sizes(n, k, s, p, self.ceil_mode)) - 1) * s + k - n - 2 * p if self.ceil_mode else 0
        missing.append(max(0, whole))
    pad, overhang = (left, left, top, top), (0, missing[1], 0, missing[0])
    counted = F.pad(torch.ones_like(input[(slice(1),) * (input.dim() - 2)]), pad, value=float(self.count_include_pad))
    share = F.avg_pool2d(F.pad(counted, overhang), self.kernel_size, 1)
    mean = F.avg_pool2d(F.pad(F.pad(input, pad), overhang), self.kernel_size, 1)
    if self.divisor_override:
        k_h, k_w = ops.pair(self.kernel_size)
        return mean * (k_h * k_w / self.divisor_override)
    return mean / share


def _wrapped(pool: nn.MaxPool2d, input: Tensor) -> Tensor:
    """The map with the pool's own padding before it, and behind it what a whole last window takes."""
    padding: list[int] = []  # left, right, top, bottom
    for k, d, p in zip(*map(ops.pair, (pool.kernel_size, pool.dilation, pool.padding)), strict=True):
        padding = [p, (k - 1) * d - p, *padding]
    return F.pad(input, padding, mode='circular')


def _geometry(pool: nn.AvgPool2d) -> tuple[tuple[int, int], ...]:
    return ops.pair(pool.kernel_size), ops.stride_of(pool), ops.pair(pool.padding)


def _pooled_sizes(n: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> tuple[int, ...]:
    """The smallest is the output size of torch's pools.

    In ceil mode the last window must start inside the input or its left padding.
    """
    span = n + 2 * padding - kernel
    if not ceil_mode:
        return (span // stride + 1,)
    return (span + stride - 1) // stride + 1, (n + padding + stride - 1) // stride


# by the names of `attach.Attachment`
DENSE: dict[str, Callable] = {
    'other': _other,
    'same': _same,
    'max': _max,
    'circular': _circular,
    'circular max': _circular_max,
    'mean': _mean,
    'whole': _whole,
    'cropped': _cropped,
}
