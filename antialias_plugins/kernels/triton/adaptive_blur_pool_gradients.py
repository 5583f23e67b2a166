"""Both gradients of the adaptive filter. Shapes and norms are those of `adaptive_blur_pool`."""

from torch import Tensor

from antialias_plugins.kernels.adaptive_filter import FilterPlan
from antialias_plugins.kernels.precision import empty_as
from antialias_plugins.kernels.triton.adaptive_blur_pool import compute_norms, load_norm, plan_constants
from antialias_plugins.kernels.triton.indexing import dense_offset, locate_group_tile, over_planes, over_positions
from antialias_plugins.kernels.triton.language import jit, next_power_of_2, tl
from antialias_plugins.kernels.triton.launch import launch_groups

_CHUNK = 16  # channels of a group at once


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
            norm = load_norm(norms, sample, group, i * columns + j, groups, rows * columns, seen, JOINT)
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
    norm = load_norm(norms, sample, group, position, groups, positions, position < positions, JOINT)
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


def adaptive_blur_pool2d_bwd(grad: Tensor, padded: Tensor, logits: Tensor, plan: FilterPlan) -> tuple[Tensor, Tensor]:
    """Gradients of the padded map and of the logits, each in the type and memory format of what it belongs to.

    Args:
        grad: (N, C, H', W'), with any strides.
        padded: (N, C, H + K - 1, W + K - 1), with any strides.
        logits: (N, G * K * K, H', W'), with any strides.
        plan: K, S, G and the softmax.
    """
    norms = compute_norms(padded, logits, plan)
    members = padded.shape[1] // plan.groups
    grad_padded, grad_logits = empty_as(padded, padded.shape), empty_as(logits, logits.shape)
    launch_groups(
        adaptive_blur_pool2d_bwd_input_kernel,
        grad_padded,
        plan.groups,
        grad,
        logits,
        norms,
        grad_padded,
        plan.groups,
        members,
        *padded.shape[2:],
        *logits.shape[2:],
        *grad.stride(),
        *logits.stride(),
        **plan_constants(plan),
    )
    products = empty_as(logits, logits.shape, norms.dtype) if plan.softmax == 'joint' else grad_logits
    launch_groups(
        adaptive_blur_pool2d_bwd_logits_kernel,
        products,
        plan.groups,
        grad,
        padded,
        logits,
        norms,
        products,
        plan.groups,
        members,
        *logits.shape[2:],
        *grad.stride(),
        *padded.stride(),
        *logits.stride(),
        whole=True,
        CHUNK=min(next_power_of_2(members), _CHUNK),
        **plan_constants(plan),
    )
    if plan.softmax == 'joint':
        weights = (logits - norms).exp()
        grad_logits.copy_(products.addcmul_(weights, products.sum(1, keepdim=True), value=-1))
    return grad_padded, grad_logits
