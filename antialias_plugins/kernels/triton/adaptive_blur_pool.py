"""The adaptive filter: softmax and weighted sum in one pass.

Shapes: N batch, C channels, K taps per axis, S stride, G groups, ``D = C / G`` channels of a group. A *padded* map has
sides ``H + K - 1`` and ``W + K - 1``; an output has sides ``H' = ceil(H / S)`` and ``W' = ceil(W / S)``.

No tap is ever stored. The *norms* are, for a moment and in float32, which are the logarithms of the denominators of the
softmaxes: with them any thread computes any tap from one logit.
"""

import torch
from torch import Tensor

from antialias_plugins.kernels.adaptive_filter import FilterPlan
from antialias_plugins.kernels.precision import empty_as
from antialias_plugins.kernels.triton.indexing import dense_offset, locate_group_tile, over_planes
from antialias_plugins.kernels.triton.language import device, jit, tl
from antialias_plugins.kernels.triton.launch import launch_groups


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
    norm = load_norm(norms, sample, group, position, groups, positions, known, JOINT)
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
def load_norm(norms, sample, group, position, groups, positions, mask, JOINT: tl.constexpr):
    """Norms lie in the contiguous format, whatever that of the logits."""
    if JOINT:
        return tl.load(norms + sample * positions + position, mask, 0.0)
    else:
        return tl.load(norms + (sample * groups + group) * positions + position, mask, 0.0)


def adaptive_blur_pool2d_fwd(padded: Tensor, logits: Tensor, plan: FilterPlan) -> Tensor:
    """Compute `antialias_plugins.kernels.adaptive_filter.adaptive_filter`.

    Args:
        padded: (N, C, H + K - 1, W + K - 1), with any strides.
        logits: (N, G * K * K, H', W'), with any strides.
        plan: K, S, G and the softmax.

    Returns:
        (N, C, H', W') in the type and memory format of `padded`.
    """
    output = empty_as(padded, (*padded.shape[:2], *logits.shape[2:]))
    launch_groups(
        adaptive_blur_pool2d_fwd_kernel,
        output,
        plan.groups,
        padded,
        logits,
        compute_norms(padded, logits, plan),
        output,
        plan.groups,
        padded.shape[1] // plan.groups,
        *logits.shape[2:],
        *padded.stride(),
        *logits.stride(),
        **plan_constants(plan),
    )
    return output


def compute_norms(padded: Tensor, logits: Tensor, plan: FilterPlan) -> Tensor:
    """Logarithms of the denominators, contiguous (N, G or 1, H', W') in the type of the sums."""
    softmaxes = 1 if plan.softmax == 'joint' else plan.groups
    dtype = torch.promote_types(torch.promote_types(padded.dtype, logits.dtype), torch.float32)
    norms = torch.empty((len(logits), softmaxes, *logits.shape[2:]), dtype=dtype, device=logits.device)
    launch_groups(
        adaptive_blur_pool2d_norm_kernel,
        norms,
        softmaxes,
        logits,
        norms,
        softmaxes,
        logits.shape[1] // softmaxes,
        *logits.shape[2:],
        *logits.stride(),
    )
    return norms


def plan_constants(plan: FilterPlan) -> dict[str, int | bool]:
    """Compile-time constants of a filter."""
    rows, columns = plan.stride
    return {'STEP_H': rows, 'STEP_W': columns, 'FILT_SIZE': plan.filt_size, 'JOINT': plan.softmax == 'joint'}
