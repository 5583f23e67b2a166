"""The maximum at stride 1 and the fixed filter in one pass, and its gradient. Shapes: N C H W, K taps, S stride.

The map of maxima has sides ``H''`` and ``W''``. Forward, it never exists: a thread takes the maxima that its output
sees. They overlap, and the compiler merges equal loads, which is why windows are counted along the map and a mirrored
or repeated padding is folded into the weights. Backward, its gradient exists for a moment, in float32, and every value
of the map then looks up which windows it won.
"""

import math

import torch
from torch import Tensor

from antialias_plugins.kernels.backend import width_of
from antialias_plugins.kernels.blur_pool import blur_pool2d_reference
from antialias_plugins.kernels.maps import empty_as
from antialias_plugins.kernels.max_blur_pool import MaxWindow, dense_max_pool2d_reference
from antialias_plugins.kernels.triton.blur_pool import blur_constants, blur_pool2d_bwd, kept_sides
from antialias_plugins.kernels.triton.tiles import dense_offset, device, folded_tap, jit, launch, locate_tile, tl, wrap

_TILE = 256  # values per program: a thread holds the whole neighbourhood of each of its own


class MaxBlurPool(torch.autograd.Function):
    """``MaxBlurPool.apply(input, window, filt, stride, padding_mode)`` is the reference of the maximum and the filter.

    Only the input is kept.
    """

    @staticmethod
    def forward(
        ctx, input: Tensor, window: MaxWindow, filt: Tensor | int, stride: tuple[int, int], padding_mode: str
    ) -> Tensor:
        """Take the maximum and filter."""
        ctx.save_for_backward(input)
        ctx.window, ctx.blur = window, (filt, stride, padding_mode)
        ctx.sides = sides = tuple(window.side(axis, input.shape[2 + axis]) for axis in (0, 1))
        output = empty_as(input, (*input.shape[:2], *kept_sides(sides, stride)))
        shapes = math.prod(input.shape[:2]), *input.shape[1:], *sides, *output.shape[2:]
        constants = {**_window_constants(window), **blur_constants(width_of(filt), stride, padding_mode, sides)}
        launch(max_blur_pool2d_fwd_kernel, output, input, output, *shapes, *input.stride(), tile=_TILE, **constants)
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Find the places of the maxima again; a gradient that is to be differentiated again is the reference's."""
        (input,), (filt, stride, padding_mode) = ctx.saved_tensors, ctx.blur
        if torch.is_grad_enabled():

            def reference(map: Tensor) -> Tensor:
                return blur_pool2d_reference(dense_max_pool2d_reference(map, ctx.window), *ctx.blur)

            return *torch.func.vjp(reference, input)[1](grad), None, None, None, None
        dense = empty_as(input, (*input.shape[:2], *ctx.sides), torch.promote_types(input.dtype, torch.float32))
        blur_pool2d_bwd(grad, dense, blur_constants(width_of(filt), stride, padding_mode, ctx.sides))
        output = empty_as(input, input.shape)
        shapes = math.prod(input.shape[:2]), *input.shape[1:], *ctx.sides
        constants = _window_constants(ctx.window)
        launch(
            max_blur_pool2d_bwd_kernel, output, dense, input, output, *shapes, *input.stride(), tile=_TILE, **constants
        )
        return output, None, None, None, None


def _window_constants(window: MaxWindow) -> dict[str, int]:
    height, width = window.kernel_size
    above, before = window.padding
    return {'WINDOW_H': height, 'WINDOW_W': width, 'MARGIN_H': above, 'MARGIN_W': before}


@jit
def max_blur_pool2d_fwd_kernel(
    input,
    output,
    planes,
    channels,
    height,
    width,
    dense_height,
    dense_width,
    rows,
    columns,
    stride_n,
    stride_c,
    stride_h,
    stride_w,
    WINDOW_H: tl.constexpr,
    WINDOW_W: tl.constexpr,
    MARGIN_H: tl.constexpr,
    MARGIN_W: tl.constexpr,
    STEP_H: tl.constexpr,
    STEP_W: tl.constexpr,
    FILT_SIZE: tl.constexpr,
    PADDING: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_PLANES: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Filter the `dense_height` by `dense_width` maxima of windows with a margin around the map."""
    plane, position, inside = locate_tile(planes, rows * columns, CHANNELS_LAST, INDEX, BLOCK_PLANES, BLOCK_POSITIONS)
    sample, channel = plane // channels, plane % channels
    source = input + sample * stride_n + channel * stride_c
    i, j = position // columns, position % columns
    total = tl.zeros(inside.shape, SUM)
    for u in tl.static_range(FILT_SIZE):
        row, row_weight = _seen_maximum(u, i, dense_height, STEP_H, FILT_SIZE, PADDING)
        for v in tl.static_range(FILT_SIZE):
            column, column_weight = _seen_maximum(v, j, dense_width, STEP_W, FILT_SIZE, PADDING)
            weight = row_weight * column_weight
            largest = tl.full(inside.shape, float('-inf'), SUM)
            for a in tl.static_range(WINDOW_H):
                y = row + (u + a - MARGIN_H)
                for b in tl.static_range(WINDOW_W):
                    x = column + (v + b - MARGIN_W)
                    met = inside & (y >= 0) & (y < height) & (x >= 0) & (x < width)
                    value = tl.load(source + (y * stride_h + x * stride_w), met, float('-inf')).to(SUM)
                    largest = tl.maximum(largest, value, propagate_nan=tl.PropagateNan.ALL)
            # A maximum that is not seen may be infinite.
            total += tl.where(weight != 0, weight * largest, 0.0)
    target = output + dense_offset(sample, channel, position, channels, rows * columns, CHANNELS_LAST)
    tl.store(target, total.to(output.dtype.element_ty), inside)


@device
def _seen_maximum(
    index: tl.constexpr, output, size, STEP: tl.constexpr, FILT_SIZE: tl.constexpr, PADDING: tl.constexpr
):
    """Position of a maximum of an axis that an output sees, less `index`, and its weight."""
    first = output * STEP - (FILT_SIZE - 1) // 2
    if PADDING == 'circular':
        position = wrap(first + index, size) - index
        weight = 1.0 / 2 ** (FILT_SIZE - 1)
        for passed in tl.static_range(index):
            weight = weight * (FILT_SIZE - 1 - passed) / (passed + 1)
    else:
        position = first
        if PADDING == 'reflect':  # An even number of taps may mirror a position before the window.
            position = tl.minimum(first, size - 1 - FILT_SIZE // 2)
        on_map = (position + index >= 0) & (position + index < size)
        weight = tl.where(on_map, folded_tap(first, position + index, size, FILT_SIZE, PADDING), 0.0)
    return position, weight


@jit
def max_blur_pool2d_bwd_kernel(
    grad,
    input,
    output,
    planes,
    channels,
    height,
    width,
    dense_height,
    dense_width,
    stride_n,
    stride_c,
    stride_h,
    stride_w,
    WINDOW_H: tl.constexpr,
    WINDOW_W: tl.constexpr,
    MARGIN_H: tl.constexpr,
    MARGIN_W: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_PLANES: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Gradient of the map from that of its maxima, which lies like the output.

    As in torch's pool, it goes to the first of the largest values of a window, row by row, or to its last NaN.
    """
    plane, position, inside = locate_tile(planes, height * width, CHANNELS_LAST, INDEX, BLOCK_PLANES, BLOCK_POSITIONS)
    sample, channel = plane // channels, plane % channels
    source = input + sample * stride_n + channel * stride_c
    y, x = position // width, position % width
    own = tl.load(source + (y * stride_h + x * stride_w), inside, 0.0).to(SUM)
    total = tl.zeros(inside.shape, SUM)
    for above in tl.static_range(WINDOW_H):
        for before in tl.static_range(WINDOW_W):
            i, j = y + (MARGIN_H - above), x + (MARGIN_W - before)
            lost = (i < 0) | (i >= dense_height) | (j < 0) | (j >= dense_width)
            for a in tl.static_range(WINDOW_H):
                for b in tl.static_range(WINDOW_W):
                    row, column = y + (a - above), x + (b - before)
                    met = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
                    other = tl.load(source + (row * stride_h + column * stride_w), met, 0.0).to(SUM)
                    if a * WINDOW_W + b < above * WINDOW_W + before:
                        lost = lost | met & ((other >= own) | (other != other) & (own == own))
                    elif a * WINDOW_W + b > above * WINDOW_W + before:
                        lost = lost | met & ((other > own) | (other != other))
            index = i * dense_width + j
            place = grad + dense_offset(sample, channel, index, channels, dense_height * dense_width, CHANNELS_LAST)
            total += tl.load(place, inside & (lost == 0), 0.0).to(SUM)
    target = output + dense_offset(sample, channel, position, channels, height * width, CHANNELS_LAST)
    tl.store(target, total.to(output.dtype.element_ty), inside)
