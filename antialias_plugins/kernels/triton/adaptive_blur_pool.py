"""The adaptive filter, softmax and weighted sum in one pass, and both its gradients.

Shapes: N batch, C channels, K taps per axis, S stride, G groups, ``D = C / G`` channels of a group. A *padded* map has
sides ``H + K - 1`` and ``W + K - 1``; an output has sides ``H' = ceil(H / S)`` and ``W' = ceil(W / S)``.

No tap is ever stored. The *norms* are, for a moment and in float32, which are the logarithms of the denominators of the
softmaxes: with them any thread computes any tap from one logit.
"""

import torch
from torch import Tensor

from antialias_plugins.kernels.adaptive_blur_pool import FilterPlan, pull_back
from antialias_plugins.kernels.maps import empty_as
from antialias_plugins.kernels.padding import Padding
from antialias_plugins.kernels.triton.tiles import (
    dense_offset,
    device,
    jit,
    launch_groups,
    locate_group_tile,
    next_power_of_2,
    over_planes,
    over_positions,
    tl,
)

_CHUNK = 16  # channels of a group at once


class AdaptiveBlurPool(torch.autograd.Function):
    """``AdaptiveBlurPool.apply(padded, logits, plan, map, padding)``; only the map and the logits are kept."""

    @staticmethod
    def forward(ctx, padded: Tensor, logits: Tensor, plan: FilterPlan, map: Tensor, padding: Padding) -> Tensor:
        """Filter."""
        ctx.save_for_backward(map, logits)
        ctx.plan, ctx.padding = plan, padding
        output = empty_as(padded, (*padded.shape[:2], *logits.shape[2:]))
        maps = padded, logits, _norms(padded, logits, plan), output
        shapes = plan.groups, padded.shape[1] // plan.groups, *logits.shape[2:], *padded.stride(), *logits.stride()
        launch_groups(adaptive_blur_pool2d_fwd_kernel, output, plan.groups, *maps, *shapes, **_constants(plan))
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Pad again and compute the taps again; a gradient to be differentiated again is the reference's."""
        map, logits = ctx.saved_tensors
        gradients = pull_back if torch.is_grad_enabled() else _gradients
        return *gradients(grad, ctx.padding.add(map), logits, ctx.plan), None, None, None


def _gradients(grad: Tensor, padded: Tensor, logits: Tensor, plan: FilterPlan) -> tuple[Tensor, Tensor]:
    """Gradients of the padded map and of the logits, each in the type and memory format of what it belongs to."""
    groups, joint, norms = plan.groups, plan.softmax == 'joint', _norms(padded, logits, plan)
    members, constants = padded.shape[1] // groups, _constants(plan)
    grad_padded, grad_logits = empty_as(padded, padded.shape), empty_as(logits, logits.shape)
    shapes = groups, members, *padded.shape[2:], *logits.shape[2:], *grad.stride(), *logits.stride()
    maps = grad, logits, norms, grad_padded
    launch_groups(adaptive_blur_pool2d_bwd_input_kernel, grad_padded, groups, *maps, *shapes, **constants)
    products = empty_as(logits, logits.shape, norms.dtype) if joint else grad_logits
    shapes = groups, members, *logits.shape[2:], *grad.stride(), *padded.stride(), *logits.stride()
    maps, chunk = (grad, padded, logits, norms, products), min(next_power_of_2(members), _CHUNK)
    kernel = adaptive_blur_pool2d_bwd_logits_kernel
    launch_groups(kernel, products, groups, *maps, *shapes, whole=True, CHUNK=chunk, **constants)
    if joint:
        grad_logits.copy_(products.addcmul_((logits - norms).exp(), products.sum(1, keepdim=True), value=-1))
    return grad_padded, grad_logits


def _norms(padded: Tensor, logits: Tensor, plan: FilterPlan) -> Tensor:
    """Logarithms of the denominators, contiguous (N, G or 1, H', W') in the type of the sums."""
    softmaxes = 1 if plan.softmax == 'joint' else plan.groups
    dtype = torch.promote_types(torch.promote_types(padded.dtype, logits.dtype), torch.float32)
    norms = torch.empty((len(logits), softmaxes, *logits.shape[2:]), dtype=dtype, device=logits.device)
    shapes = softmaxes, logits.shape[1] // softmaxes, *logits.shape[2:], *logits.stride()
    launch_groups(adaptive_blur_pool2d_norm_kernel, norms, softmaxes, logits, norms, *shapes)
    return norms


def _constants(plan: FilterPlan) -> dict[str, int | bool]:
    """Compile-time constants of a filter."""
    rows, columns = plan.stride
    return {'STEP_H': rows, 'STEP_W': columns, 'FILT_SIZE': plan.filt_size, 'JOINT': plan.softmax == 'joint'}


@jit
def adaptive_blur_pool2d_norm_kernel(
    logits,
    output,
    softmaxes,
    taps,
    rows,
    columns,
    stride_n,
    stride_t,
    stride_h,
    stride_w,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_MEMBERS: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Logarithm of the sum of the exponentials of each softmax's `taps` logits at a position."""
    sample, softmax, _, position = locate_group_tile(
        softmaxes, 1, rows * columns, CHANNELS_LAST, INDEX, BLOCK_MEMBERS, BLOCK_POSITIONS
    )
    inside = position < rows * columns
    source = logits + sample * stride_n + softmax * taps * stride_t
    source += position // columns * stride_h + position % columns * stride_w
    largest = tl.full(inside.shape, -3e38, SUM)  # finite: the first logits may be minus infinity
    total = tl.zeros(inside.shape, SUM)
    for tap in range(taps):
        logit = tl.load(source + tap * stride_t, inside, 0.0).to(SUM)
        larger = tl.maximum(largest, logit)
        total = total * tl.exp(largest - larger) + tl.exp(logit - larger)
        largest = larger
    target = output + (sample * softmaxes + softmax) * (rows * columns) + position
    tl.store(target, largest + tl.log(total), inside)


@jit
def adaptive_blur_pool2d_fwd_kernel(
    padded,
    logits,
    norms,
    output,
    groups,
    members,
    rows,
    columns,
    stride_n,
    stride_c,
    stride_h,
    stride_w,
    logit_n,
    logit_t,
    logit_h,
    logit_w,
    STEP_H: tl.constexpr,
    STEP_W: tl.constexpr,
    FILT_SIZE: tl.constexpr,
    JOINT: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_MEMBERS: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Filter each of `groups` times `members` channels at `rows` by `columns` positions."""
    positions = rows * columns
    sample, group, member, position = locate_group_tile(
        groups, members, positions, CHANNELS_LAST, INDEX, BLOCK_MEMBERS, BLOCK_POSITIONS
    )
    channel, known = group * members + member, position < positions
    inside = (member < members) & over_planes(known, CHANNELS_LAST)
    i, j = position // columns, position % columns
    norm = _load_norm(norms, sample, group, position, groups, positions, known, JOINT)
    taps = logits + sample * logit_n + group * (FILT_SIZE * FILT_SIZE) * logit_t + (i * logit_h + j * logit_w)
    source = padded + sample * stride_n + channel * stride_c
    total = tl.zeros(inside.shape, SUM)
    for u in tl.static_range(FILT_SIZE):
        for v in tl.static_range(FILT_SIZE):
            weight = tl.exp(tl.load(taps + (u * FILT_SIZE + v) * logit_t, known, 0.0).to(SUM) - norm)
            met = over_planes((i * STEP_H + u) * stride_h + (j * STEP_W + v) * stride_w, CHANNELS_LAST)
            total += over_planes(weight, CHANNELS_LAST) * tl.load(source + met, inside, 0.0).to(SUM)
    position = over_planes(position, CHANNELS_LAST)
    target = output + dense_offset(sample, channel, position, groups * members, positions, CHANNELS_LAST)
    tl.store(target, total.to(output.dtype.element_ty), inside)


@device
def _load_norm(norms, sample, group, position, groups, positions, mask, JOINT: tl.constexpr):
    """Norms lie in the contiguous format, whatever that of the logits."""
    if JOINT:
        return tl.load(norms + sample * positions + position, mask, 0.0)
    else:
        return tl.load(norms + (sample * groups + group) * positions + position, mask, 0.0)


@jit
def adaptive_blur_pool2d_bwd_input_kernel(
    grad,
    logits,
    norms,
    output,
    groups,
    members,
    height,
    width,
    rows,
    columns,
    stride_n,
    stride_c,
    stride_h,
    stride_w,
    logit_n,
    logit_t,
    logit_h,
    logit_w,
    STEP_H: tl.constexpr,
    STEP_W: tl.constexpr,
    FILT_SIZE: tl.constexpr,
    JOINT: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_MEMBERS: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Gradient of padded maps of `height` by `width`: each position asks the outputs that see it."""
    sample, group, member, position = locate_group_tile(
        groups, members, height * width, CHANNELS_LAST, INDEX, BLOCK_MEMBERS, BLOCK_POSITIONS
    )
    channel, known = group * members + member, position < height * width
    inside = (member < members) & over_planes(known, CHANNELS_LAST)
    y, x = position // width, position % width
    taps = logits + sample * logit_n + group * (FILT_SIZE * FILT_SIZE) * logit_t
    source = grad + sample * stride_n + channel * stride_c
    total = tl.zeros(inside.shape, SUM)
    for a in tl.static_range((FILT_SIZE - 1) // STEP_H + 1):
        i, u = y // STEP_H - a, y % STEP_H + a * STEP_H
        for b in tl.static_range((FILT_SIZE - 1) // STEP_W + 1):
            j, v = x // STEP_W - b, x % STEP_W + b * STEP_W
            seen = known & (i >= 0) & (i < rows) & (u < FILT_SIZE) & (j >= 0) & (j < columns) & (v < FILT_SIZE)
            norm = _load_norm(norms, sample, group, i * columns + j, groups, rows * columns, seen, JOINT)
            logit = tl.load(taps + (u * FILT_SIZE + v) * logit_t + (i * logit_h + j * logit_w), seen, 0.0).to(SUM)
            place = source + over_planes(i * stride_h + j * stride_w, CHANNELS_LAST)
            value = tl.load(place, inside & over_planes(seen, CHANNELS_LAST), 0.0).to(SUM)
            total += over_planes(tl.exp(logit - norm), CHANNELS_LAST) * value
    position = over_planes(position, CHANNELS_LAST)
    target = output + dense_offset(sample, channel, position, groups * members, height * width, CHANNELS_LAST)
    tl.store(target, total.to(output.dtype.element_ty), inside)


@jit
def adaptive_blur_pool2d_bwd_logits_kernel(
    grad,
    padded,
    logits,
    norms,
    output,
    groups,
    members,
    rows,
    columns,
    grad_n,
    grad_c,
    grad_h,
    grad_w,
    stride_n,
    stride_c,
    stride_h,
    stride_w,
    logit_n,
    logit_t,
    logit_h,
    logit_w,
    STEP_H: tl.constexpr,
    STEP_W: tl.constexpr,
    FILT_SIZE: tl.constexpr,
    JOINT: tl.constexpr,
    CHUNK: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_MEMBERS: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Gradient of the logits of a group; of a joint softmax only each tap times its gradient."""
    positions, count = rows * columns, FILT_SIZE * FILT_SIZE
    axis: tl.constexpr = 1 if CHANNELS_LAST else 0
    sample, group, tap, position = locate_group_tile(
        groups, count, positions, CHANNELS_LAST, INDEX, BLOCK_MEMBERS, BLOCK_POSITIONS
    )
    norm = _load_norm(norms, sample, group, position, groups, positions, position < positions, JOINT)
    position = over_planes(position, CHANNELS_LAST)
    known = position < positions
    inside = (tap < count) & known
    i, j = position // columns, position % columns
    pulled = grad + sample * grad_n + (i * grad_h + j * grad_w)
    window = padded + sample * stride_n + (i * STEP_H * stride_h + j * STEP_W * stride_w)
    products = tl.zeros(inside.shape, SUM)
    for first in range(0, members, CHUNK):
        member = over_positions(first + tl.arange(0, CHUNK), CHANNELS_LAST)
        channel, met = group * members + member, known & (member < members)
        factor = tl.load(pulled + channel * grad_c, met, 0.0).to(SUM)
        for u in tl.static_range(FILT_SIZE):
            for v in tl.static_range(FILT_SIZE):
                value = tl.load(window + channel * stride_c + (u * stride_h + v * stride_w), met, 0.0).to(SUM)
                product = tl.sum(factor * value, axis, keep_dims=True)
                products += tl.where(tap == u * FILT_SIZE + v, product, 0.0)
    source = logits + sample * logit_n + (group * count + tap) * logit_t + (i * logit_h + j * logit_w)
    logit = tl.load(source, inside, float('-inf')).to(SUM)
    weight = tl.exp(logit - over_planes(norm, CHANNELS_LAST))
    products *= weight
    if not JOINT:
        products -= weight * tl.sum(products, axis, keep_dims=True)
    target = output + dense_offset(sample, group * count + tap, position, groups * count, positions, CHANNELS_LAST)
    tl.store(target, products.to(output.dtype.element_ty), inside)
