"""The adaptive filter: softmax of the logits and weighted sum with them, at the kept positions only.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride, G groups, ``D = C / G`` channels of a group. A
*padded* map has sides ``H + K - 1`` and ``W + K - 1``; an output has sides ``H' = ceil(H / S)``, ``W' = ceil(W / S)``.

No patch is ever copied: each of the K * K terms is a view of the one padded map. Where neighbours in a row lie next to
each other in memory, every S-th column is gathered first, so that the views are as well.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from antialias_plugins.kernels import eager
from antialias_plugins.kernels.border import Border
from antialias_plugins.kernels.precision import as_input, empty_as, is_channels_last


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


def adaptive_filter(padded: Tensor, logits: Tensor, plan: FilterPlan) -> Tensor:
    """Filter every position and channel group with its own taps.

    Args:
        padded: (N, C, H + K - 1, W + K - 1).
        logits: (N, G * K * K, H', W').
        plan: K, S, G and the softmax.

    Returns:
        (N, C, H', W') in the type of `padded`; softmax and sum are in float32 for half types.
    """
    weights = eager.normalise(logits, plan.groups, plan.softmax)
    columns = _columns(padded, plan, weights.dtype)
    output = empty_as(padded, (*padded.shape[:2], *logits.shape[2:]), weights.dtype)
    sums = output.unflatten(1, (plan.groups, -1))  # not the other way: a result must not be a view
    torch.mul(weights[:, :, 0, None], _window(columns, plan, logits.shape[2:], 0), out=sums)
    for tap in range(1, plan.filt_size**2):
        sums.addcmul_(weights[:, :, tap, None], _window(columns, plan, logits.shape[2:], tap))
    return as_input(output, padded)


class AdaptiveFilter(torch.autograd.Function):
    """``AdaptiveFilter.apply(padded, logits, plan, map, border)`` is ``adaptive_filter(padded, logits, plan)``.

    ``padded`` must be ``border.add(map)``. Only the map and the logits are kept.
    """

    @staticmethod
    def forward(ctx, padded: Tensor, logits: Tensor, plan: FilterPlan, map: Tensor, border: Border) -> Tensor:
        """Filter."""
        ctx.save_for_backward(map, logits)
        ctx.plan, ctx.border = plan, border
        return adaptive_filter(padded, logits, plan)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Add the border and compute the taps again."""
        map, logits = ctx.saved_tensors
        if torch.is_grad_enabled():
            _, pullback = torch.func.vjp(
                lambda *maps: eager.adaptive_blur_pool2d(*maps, *ctx.plan), ctx.border.add(map), logits
            )
            return *pullback(grad), None, None, None
        return *_gradients(grad, map, ctx.border, logits, ctx.plan), None, None, None


def _gradients(grad: Tensor, map: Tensor, border: Border, logits: Tensor, plan: FilterPlan) -> tuple[Tensor, Tensor]:
    """Gradients of the padded map and of the logits. No copy of the map lives longer than it is read."""
    weights = eager.normalise(logits, plan.groups, plan.softmax)
    columns = _columns(border.add(map), plan, weights.dtype)
    grad_columns = [torch.zeros_like(column) for column in columns]
    grad = as_input(grad, map).to(weights.dtype).unflatten(1, (plan.groups, -1))
    grad_weights, product = torch.empty_like(weights), torch.empty_like(grad)
    for tap in range(plan.filt_size**2):
        window, grad_window = (_window(maps, plan, logits.shape[2:], tap) for maps in (columns, grad_columns))
        torch.mul(grad, window, out=product)
        torch.sum(product, 2, out=grad_weights[:, :, tap])
        grad_window.addcmul_(grad, weights[:, :, tap, None])
    del columns, window, product
    grad_padded = _join_columns(grad_columns, empty_as(map, border.padded_size(map.shape)))
    return grad_padded, _softmax_gradient(grad_weights, weights, plan).to(logits.dtype)


def _columns(padded: Tensor, plan: FilterPlan, dtype: torch.dtype) -> list[Tensor]:
    """For each horizontal phase of the stride its columns as (N, G, D, H + K - 1, .), or the whole map as it is."""
    grouped = padded.unflatten(1, (plan.groups, -1))
    if plan.stride[1] == 1 or is_channels_last(padded):
        return [grouped.to(dtype)]
    return [grouped[..., phase :: plan.stride[1]].to(dtype).contiguous() for phase in range(plan.stride[1])]


def _window(columns: list[Tensor], plan: FilterPlan, kept: tuple[int, int], tap: int) -> Tensor:
    """View (N, G, D, H', W') of what one of the K * K taps, which are counted row by row, meets."""
    u, v = divmod(tap, plan.filt_size)
    phases = len(columns)
    first, (down, right) = v // phases, (plan.stride[0], plan.stride[1] // phases)
    rows = slice(u, u + down * (kept[0] - 1) + 1, down)
    return columns[v % phases][..., rows, first : first + right * (kept[1] - 1) + 1 : right]


def _join_columns(columns: list[Tensor], joined: Tensor) -> Tensor:
    """Put the columns together again."""
    for phase, column in enumerate(columns):
        joined[..., phase :: len(columns)] = column.flatten(1, 2)
    return joined


def _softmax_gradient(grad: Tensor, weights: Tensor, plan: FilterPlan) -> Tensor:
    """Gradient of the (N, G * K * K, H', W') logits."""
    normalised = (1, 2) if plan.softmax == 'joint' else 2
    grad = grad * weights
    return (grad - weights * grad.sum(normalised, keepdim=True)).flatten(1, 2)
