"""The adaptive filter: softmax of the logits and weighted sum with them, at the kept positions only.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride, G groups, ``D = C / G`` channels of a group. A
*padded* map has sides ``H + K - 1`` and ``W + K - 1``; an output has sides ``H' = ceil(H / S)``, ``W' = ceil(W / S)``.

Where the channels of a position lie next to each other, an image is a table with a row of D numbers for each position
and group, an output is a weighted sum of K * K such rows, and so is the gradient of the map, of fewer rows. That is
what PyTorch has embedding bags for: on the CPU one pass, without copies of what the taps meet.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from antialias_plugins.kernels.backend import static_shape, uses_reference, uses_triton
from antialias_plugins.kernels.first_use import Op, is_trusted
from antialias_plugins.kernels.linear import RowSums, index_dtype
from antialias_plugins.kernels.maps import (
    HALF_TYPES,
    as_channels_last,
    as_input,
    as_type,
    copy_map_,
    empty_as,
    is_on_cpu,
)
from antialias_plugins.kernels.padding import Padding, source_of

_PIECE = 2**20  # elements of the images that are filtered at once
_CHUNK = 2**19  # elements of the rows of an image that are written at once


class FilterPlan(NamedTuple):
    """What is fixed about an adaptive filter.

    Attributes:
        filt_size: K.
        stride: vertical and horizontal S.
        groups: G.
        softmax: ``'group'`` normalises the K * K taps of each group, ``'joint'`` the G * K * K taps of all.
    """

    filt_size: int
    stride: tuple[int, int]
    groups: int
    softmax: str


def adaptive_blur_pool2d(
    padded: Tensor,
    logits: Tensor,
    filt_size: int,
    stride: tuple[int, int],
    groups: int,
    softmax: str,
    backend: str | None = None,
) -> Tensor:
    """Compute `adaptive_blur_pool2d_reference`; the logits are kept, and the map before `pad2d` has padded it."""
    plan = FilterPlan(filt_size, stride, groups, softmax)
    if uses_reference(backend):
        return adaptive_blur_pool2d_reference(padded, logits, *plan)
    if uses_triton(
        padded, filt_size, backend=backend, trusted=lambda: is_trusted(ADAPTIVE_BLUR_POOL, (padded, logits), *plan)
    ):
        return _by_triton(padded, logits, *plan)
    return AdaptiveBlurPool.apply(padded, logits, plan, *source_of(padded))


def _by_triton(padded: Tensor, logits: Tensor, *plan: Any) -> Tensor:
    from antialias_plugins.kernels.triton import adaptive_blur_pool

    return adaptive_blur_pool.AdaptiveBlurPool.apply(padded, logits, FilterPlan(*plan), *source_of(padded))


def _small_shapes(
    shape: tuple[int, ...], filt_size: int, stride: tuple[int, int], groups: int, softmax: str
) -> list[tuple[int, ...]]:
    """Shapes of a padded map and of the logits at its kept positions, of which the last may be beyond the stride."""
    sides = 13, 10
    kept = [-(-side // step) for side, step in zip(sides, stride, strict=True)]
    return [(2, shape[1], *(side + filt_size - 1 for side in sides)), (2, groups * filt_size**2, *kept)]


def adaptive_blur_pool2d_reference(
    padded: Tensor, logits: Tensor, filt_size: int, stride: tuple[int, int], groups: int, softmax: str
) -> Tensor:
    """Filter every position and channel group with its own taps, given as logits at the kept positions.

    Softmax and sum are in float32 for half types. No patch is ever copied: the K * K terms are strided views of the one
    padded map. From (N, C, H + K - 1, W + K - 1), (N, G * K * K, H', W') logits and what a `FilterPlan` holds it makes
    (N, C, H', W') in the type of `padded`.
    """
    weights = _normalise(logits, groups, softmax).split(1, 2)
    maps = _split_groups(padded, groups)
    # No size is written down: a recorded program has to hold for maps of another size.
    rows, columns = ([slice(tap, tap - filt_size + 1 or None, step) for tap in range(filt_size)] for step in stride)
    windows = (lines[..., cut] for lines in [maps[..., cut, :] for cut in rows] for cut in columns)
    output = functools.reduce(torch.add, map(torch.mul, weights, windows))
    return as_type(output.flatten(1, 2), padded.dtype)


ADAPTIVE_BLUR_POOL = Op('adaptive_blur_pool2d', _by_triton, adaptive_blur_pool2d_reference, _small_shapes)


class AdaptiveBlurPool(torch.autograd.Function):
    """``AdaptiveBlurPool.apply(padded, logits, plan, map, padding)`` is the reference of the first three.

    ``padded`` must be ``padding.add(map)``. Only the map and the logits are kept. The result is in the memory format of
    the map.
    """

    @staticmethod
    def forward(ctx, padded: Tensor, logits: Tensor, plan: FilterPlan, map: Tensor, padding: Padding) -> Tensor:
        """Filter."""
        ctx.save_for_backward(map, logits)
        ctx.plan, ctx.padding = plan, padding
        output = empty_as(map, (*map.shape[:2], *logits.shape[2:]))
        if not is_on_cpu(padded):
            return output.copy_(adaptive_blur_pool2d_reference(padded, logits, *plan))
        weights = _normalise(logits, plan.groups, plan.softmax)
        windows, size = _windows(padded, logits, plan)
        for target, images, taps in _pieces(output, padded, _by_position(weights)):
            table = _table(images, plan.groups, weights.dtype)
            _sum_into(target, windows.repeat(len(images), size), table, taps.flatten())
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Pad again and compute the taps again."""
        map, logits = ctx.saved_tensors
        if torch.is_grad_enabled() or not is_on_cpu(grad):
            return *pull_back(grad, ctx.padding.add(map), logits, ctx.plan), None, None, None
        return *_gradients(grad, map, ctx.padding, logits, ctx.plan), None, None, None


def pull_back(grad: Tensor, padded: Tensor, logits: Tensor, plan: FilterPlan) -> tuple[Tensor, Tensor]:
    """Gradients of the reference, which can be differentiated again."""
    return torch.func.vjp(lambda *maps: adaptive_blur_pool2d_reference(*maps, *plan), padded, logits)[1](grad)


def _gradients(grad: Tensor, map: Tensor, padding: Padding, logits: Tensor, plan: FilterPlan) -> tuple[Tensor, Tensor]:
    """Gradients of the padded map and of the logits. The map is padded again a few images at a time."""
    taps = _by_position(_normalise(logits, plan.groups, plan.softmax))
    shape = *map.shape[:2], *(side + padding.filt_size - 1 for side in map.shape[2:])
    grad_padded = torch.empty(shape, dtype=map.dtype, device=map.device, memory_format=torch.channels_last)
    grad_taps = torch.empty_like(taps)
    windows, size = _windows(grad_padded, logits, plan)
    scatter, order = windows.transpose(size)
    for grad_images, grad_weights, images, grads, weights in _pieces(grad_padded, grad_taps, map, grad, taps):
        sums = _table(grads, plan.groups, taps.dtype)
        table = _table(padding.add(images), plan.groups, taps.dtype)
        grad_weights.copy_(windows.repeat(len(images), size).products(table, sums).view_as(weights))
        del table
        _sum_into(grad_images, scatter.repeat(len(images), windows.num_sums), sums, weights[:, order].flatten())
        del sums
    grad_logits = _softmax_gradient(*(_by_tap(maps, logits, plan) for maps in (grad_taps, taps)), plan)
    return grad_padded, as_input(grad_logits, logits)


def _pieces(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """A few images at a time: enough to be worth a call, few enough for the cache."""
    if len(maps[0]):
        count = max(_PIECE * len(maps[0]) // max(map.numel() for map in maps), 1)
        yield from zip(*(map.split(count) for map in maps), strict=True)


def _windows(padded: Tensor, logits: Tensor, plan: FilterPlan) -> tuple[RowSums, int]:
    """Which rows of the table of a padded image the outputs sum, group by group at each position; how many it has."""
    kept, (height, width) = logits.shape[2:], padded.shape[2:]
    dtype = index_dtype(height * width * plan.groups * plan.filt_size**2)
    integers = functools.partial(torch.arange, dtype=dtype, device=padded.device)
    taps = integers(plan.filt_size)
    rows, columns = (step * integers(size)[:, None] + taps for step, size in zip(plan.stride, kept, strict=True))
    positions = rows[:, None, None, :, None] * width + columns[:, None, None, :]
    groups = integers(plan.groups)[:, None, None]
    windows = (positions * plan.groups + groups).view(-1, plan.filt_size**2)
    return RowSums.uniform(windows), height * width * plan.groups


def _table(images: Tensor, groups: int, dtype: torch.dtype) -> Tensor:
    """(N, C, H, W) as (N * H * W * G, D)."""
    return as_channels_last(images.to(dtype)).permute(0, 2, 3, 1).reshape(-1, images.shape[1] // groups)


def _sum_into(images: Tensor, sums: RowSums, table: Tensor, weights: Tensor) -> None:
    """Write sums into (N, C, H, W): of one image a few rows at a time, which stay in the cache."""
    batch, channels, height, width = images.shape
    step = height if batch > 1 else max(_CHUNK // (channels * width), 1)
    for rows, (part, entries) in zip(images.split(step, 2), sums.split(sums.num_sums * step // height), strict=True):
        filtered = part.sum(table, weights[entries]).view(batch, rows.shape[2], width, channels)
        copy_map_(rows, filtered.permute(0, 3, 1, 2))


def _by_position(weights: Tensor) -> Tensor:
    """(N, G, K * K, H', W') as (N, H' * W' * G * K * K)."""
    return as_channels_last(weights.flatten(1, 2)).permute(0, 2, 3, 1).flatten(1)


def _by_tap(taps: Tensor, logits: Tensor, plan: FilterPlan) -> Tensor:
    """Undo `_by_position`."""
    batch, channels, *kept = logits.shape
    maps = taps.view(batch, *kept, channels).permute(0, 3, 1, 2)
    return _split_groups(maps.contiguous(), plan.groups)


def _softmax_gradient(grad: Tensor, weights: Tensor, plan: FilterPlan) -> Tensor:
    """Gradient of the (N, G * K * K, H', W') logits; that of the weights is overwritten."""
    normalised = (1, 2) if plan.softmax == 'joint' else 2
    grad = grad.mul_(weights)
    return grad.addcmul_(weights, grad.sum(normalised, keepdim=True), value=-1).flatten(1, 2)


def _normalise(logits: Tensor, groups: int, softmax: str) -> Tensor:
    """Softmax of (N, G * K * K, H', W') logits in at least float32, as (N, G, K * K, H', W')."""
    dtype = torch.float32 if logits.dtype in HALF_TYPES else None
    if softmax == 'joint':
        return _split_groups(logits.softmax(1, dtype=dtype), groups)
    return _split_groups(logits, groups).softmax(2, dtype=dtype)


def _split_groups(map: Tensor, groups: int) -> Tensor:
    """View (N, C, H, W) as (N, G, C / G, H, W).

    ONNX's exporter of traces takes sides for numbers in an `unflatten` behind a slice.
    """
    batch, _, height, width = map.shape
    return map.reshape(batch, groups, static_shape(map)[1] // groups, height, width)
