"""The adaptive filter: softmax of the logits and weighted sum with them, at the kept positions only.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride, G groups, ``D = C / G`` channels of a group. A
*padded* map has sides ``H + K - 1`` and ``W + K - 1``; an output has sides ``H' = ceil(H / S)``, ``W' = ceil(W / S)``.

Where the channels of a position lie next to each other, an image is a table with a row of D numbers for each position
and group, an output is a weighted sum of K * K such rows, and so is the gradient of the map, of fewer rows. That is
what PyTorch has embedding bags for: on the CPU one pass, without copies of what the taps meet.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from antialias_plugins.kernels import eager
from antialias_plugins.kernels.border import Border
from antialias_plugins.kernels.precision import as_channels_last, as_input, copy_map_, empty_as
from antialias_plugins.kernels.row_sums import RowSums, index_dtype

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


class AdaptiveFilter(torch.autograd.Function):
    """``AdaptiveFilter.apply(padded, logits, plan, map, border)`` is `eager.adaptive_blur_pool2d` of the first three.

    ``padded`` must be ``border.add(map)``. Only the map and the logits are kept. The result is in the memory format of
    the map.
    """

    @staticmethod
    def forward(ctx, padded: Tensor, logits: Tensor, plan: FilterPlan, map: Tensor, border: Border) -> Tensor:
        """Filter."""
        ctx.save_for_backward(map, logits)
        ctx.plan, ctx.border = plan, border
        output = empty_as(map, (*map.shape[:2], *logits.shape[2:]))
        if padded.device.type != 'cpu':
            return output.copy_(eager.adaptive_blur_pool2d(padded, logits, *plan))
        return _filter(padded, logits, plan, output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Add the border and compute the taps again."""
        map, logits = ctx.saved_tensors
        if torch.is_grad_enabled() or grad.device.type != 'cpu':
            _, pullback = torch.func.vjp(
                lambda *maps: eager.adaptive_blur_pool2d(*maps, *ctx.plan), ctx.border.add(map), logits
            )
            return *pullback(grad), None, None, None
        return *_gradients(grad, map, ctx.border, logits, ctx.plan), None, None, None


def _filter(padded: Tensor, logits: Tensor, plan: FilterPlan, output: Tensor) -> Tensor:
    """Write the filtered map into `output`."""
    weights = eager.normalise(logits, plan.groups, plan.softmax)
    windows, size = _windows(padded, logits, plan)
    for target, images, taps in _pieces(output, padded, _by_position(weights)):
        table = _table(images, plan.groups, weights.dtype)
        _sum_into(target, windows.repeat(len(images), size), table, taps.flatten())
    return output


def _gradients(grad: Tensor, map: Tensor, border: Border, logits: Tensor, plan: FilterPlan) -> tuple[Tensor, Tensor]:
    """Gradients of the padded map and of the logits. The map is padded again a few images at a time."""
    taps = _by_position(eager.normalise(logits, plan.groups, plan.softmax))
    grad_padded = torch.empty(border.padded_size(map.shape), dtype=map.dtype, memory_format=torch.channels_last)
    grad_taps = torch.empty_like(taps)
    windows, size = _windows(grad_padded, logits, plan)
    scatter, order = windows.transpose(size)
    for grad_images, grad_weights, images, grads, weights in _pieces(grad_padded, grad_taps, map, grad, taps):
        sums = _table(grads, plan.groups, taps.dtype)
        table = _table(border.add(images), plan.groups, taps.dtype)
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
    taps = torch.arange(plan.filt_size, dtype=dtype)
    rows, columns = (
        step * torch.arange(size, dtype=dtype)[:, None] + taps for step, size in zip(plan.stride, kept, strict=True)
    )
    positions = rows[:, None, None, :, None] * width + columns[:, None, None, :]
    groups = torch.arange(plan.groups, dtype=dtype)[:, None, None]
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
    return eager.split_groups(maps.contiguous(), plan.groups)


def _softmax_gradient(grad: Tensor, weights: Tensor, plan: FilterPlan) -> Tensor:
    """Gradient of the (N, G * K * K, H', W') logits; that of the weights is overwritten."""
    normalised = (1, 2) if plan.softmax == 'joint' else 2
    grad = grad.mul_(weights)
    return grad.addcmul_(weights, grad.sum(normalised, keepdim=True), value=-1).flatten(1, 2)
