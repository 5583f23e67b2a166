"""What a module computes once a filter hangs on it: the ``forward`` of each kind of carrier.

Shapes: maps are (N, C, H, W); ``self.aa`` is the filter, ``self._aa_base_forward`` what the module did before.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from antialias_plugins.conversion import operators as ops
from antialias_plugins.functional.max_blur_pool import dense_max_pool2d
from antialias_plugins.kernels import static_shape


def _pre_forward(self, input: Tensor) -> Tensor:
    return self._aa_base_forward(self.aa(input))


def _post_forward(self, input: Tensor) -> Tensor:
    return self.aa(self._aa_base_forward(input))


def _same_forward(self, input: Tensor) -> Tensor:
    """The dense result from where the strided one begins; its padding is that of the stride it had."""
    dense = self._aa_base_forward(input)
    top, left = ops.same_origin(self, self._aa_stride, static_shape(input)[-2:])
    return dense[..., top:, left:]


def _same_pre_forward(self, input: Tensor) -> Tensor:
    return _same_forward(self, self.aa(input))


def _same_post_forward(self, input: Tensor) -> Tensor:
    return self.aa(_same_forward(self, input))


def _max_pool_forward(self, input: Tensor) -> Tensor:
    dense = dense_max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
    return self.aa(dense)


def _circular_forward(self, input: Tensor) -> Tensor:
    """A max pool whose map goes on at the other side; at stride 1 it has a result for every pixel."""
    wrapped = F.pad(input, _wrapped_border(self), mode='circular')
    return F.max_pool2d(wrapped, self.kernel_size, self.stride, 0, self.dilation, self.ceil_mode)


def _circular_max_pool_forward(self, input: Tensor) -> Tensor:
    wrapped = F.pad(input, _wrapped_border(self), mode='circular')
    return self.aa(dense_max_pool2d(wrapped, self.kernel_size, 1, 0, self.dilation))


def _avg_pool_forward(self, input: Tensor) -> Tensor:
    """The filter alone, on the part of the map that gives the pool's own output size.

    Sizes stay symbols where the program is recorded, so it is cut to one bound after the other, not to the smallest.
    """
    for dim, k, s, p in zip((2, 3), *_geometry(self), strict=True):
        for kept in _pooled_sizes(input.shape[dim], k, s, p, self.ceil_mode) if s > 1 else ():
            input = input[(slice(None),) * dim + (slice(s * kept),)]
    return self.aa(input)


def _whole_avg_pool_forward(self, input: Tensor) -> Tensor:
    """The filter alone, on the whole map: an odd size is rounded up."""
    return self.aa(input)


def _dense_avg_pool_forward(self, input: Tensor) -> Tensor:
    """The average at stride 1, then the filter: the pool's own values wherever the filter only subsamples."""
    (top, left), missing = ops.pair(self.padding), []
    for n, k, s, p in zip(static_shape(input)[-2:], *_geometry(self), strict=True):
        whole = (min(_pooled_sizes(n, k, s, p, self.ceil_mode)) - 1) * s + k - n - 2 * p if self.ceil_mode else 0
        missing.append(max(0, whole))
    pad, overhang = (left, left, top, top), (0, missing[1], 0, missing[0])
    counted = F.pad(torch.ones_like(input[:1, :1]), pad, value=float(self.count_include_pad))
    share = F.avg_pool2d(F.pad(counted, overhang), self.kernel_size, 1)
    mean = F.avg_pool2d(F.pad(F.pad(input, pad), overhang), self.kernel_size, 1)
    if self.divisor_override:
        k_h, k_w = ops.pair(self.kernel_size)
        return self.aa(mean * (k_h * k_w / self.divisor_override))
    return self.aa(mean / share)


def _wrapped_border(pool: nn.MaxPool2d) -> list[int]:
    """Left, right, top, bottom: its own padding before the map, and behind it what a whole last window takes."""
    border = []
    for k, d, p in zip(*map(ops.pair, (pool.kernel_size, pool.dilation, pool.padding)), strict=True):
        border = [p, (k - 1) * d - p, *border]
    return border


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


FORWARDS: dict[str, Callable] = {
    'pre': _pre_forward,
    'post': _post_forward,
    'max pool': _max_pool_forward,
    'avg pool': _avg_pool_forward,
    'dense avg pool': _dense_avg_pool_forward,
    'whole avg pool': _whole_avg_pool_forward,
    'circular': _circular_forward,
    'circular max pool': _circular_max_pool_forward,
    'same': _same_forward,
    'same pre': _same_pre_forward,
    'same post': _same_post_forward,
    'same max pool': _same_post_forward,
    'same avg pool': _whole_avg_pool_forward,  # 'same' rounds up, as the filter does
    'same dense avg pool': _same_post_forward,
    'same whole avg pool': _whole_avg_pool_forward,
}
