"""The fixed filter and its transpose. Shapes: N batch, C channels, H W sides, K taps per axis, S stride.

The taps are known when a kernel is compiled, padding is arithmetic on indices, and every value of a gradient is
gathered by the one thread that writes it: nothing is padded, nothing is added atomically, and every run gives the same
bits.
"""

import math

from torch import Tensor

from antialias_plugins.kernels.backend import width_of
from antialias_plugins.kernels.linear import LinearMap
from antialias_plugins.kernels.maps import empty_as
from antialias_plugins.kernels.padding import applied_mode
from antialias_plugins.kernels.triton.tiles import (
    dense_offset,
    device,
    folded_tap,
    jit,
    launch,
    locate_tile,
    origin,
    tl,
    wrap,
)


def blur_pool2d(input: Tensor, filt: Tensor | int, stride: tuple[int, int], padding_mode: str) -> Tensor:
    """Compute `antialias_plugins.kernels.blur_pool.blur_pool2d_reference`; nothing is kept for the backward pass."""
    sides = input.shape[2:]
    constants = blur_constants(width_of(filt), stride, padding_mode, sides)

    def blur(map: Tensor) -> Tensor:
        output = empty_as(map, (*map.shape[:2], *kept_sides(sides, stride)))
        shapes = math.prod(map.shape[:2]), *map.shape[1:], *output.shape[2:]
        launch(blur_pool2d_fwd_kernel, output, map, output, *shapes, *map.stride(), **constants)
        return output

    def transpose(grad: Tensor) -> Tensor:
        return blur_pool2d_bwd(grad, empty_as(grad, (*grad.shape[:2], *sides)), constants)

    return LinearMap.apply(input, blur, transpose)


def blur_pool2d_bwd(grad: Tensor, output: Tensor, constants: dict[str, int | str]) -> Tensor:
    """Apply the transpose of the filter of `blur_constants` to (N, C, H', W'), into (N, C, H, W) without gaps."""
    taps, mode = constants['FILT_SIZE'], constants['PADDING']
    reaches = {f'REACH_{axis}': _reach(constants[f'STEP_{axis}'], taps, mode) for axis in 'HW'}
    shapes = math.prod(grad.shape[:2]), *output.shape[1:], *grad.shape[2:]
    launch(blur_pool2d_bwd_kernel, output, grad, output, *shapes, *grad.stride(), **reaches, **constants)
    return output


def blur_constants(
    filt_size: int, stride: tuple[int, int], padding_mode: str, sides: tuple[int, int]
) -> dict[str, int | str]:
    """Compile-time constants of a filter of maps of `sides`."""
    mode = applied_mode(padding_mode, filt_size // 2, sides)
    return {'STEP_H': stride[0], 'STEP_W': stride[1], 'FILT_SIZE': filt_size, 'PADDING': mode}


def kept_sides(sides: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int]:
    """Sides of the output."""
    return tuple(-(-side // step) for side, step in zip(sides, stride, strict=True))


@jit
def blur_pool2d_fwd_kernel(
    input,
    output,
    planes,
    channels,
    height,
    width,
    rows,
    columns,
    stride_n,
    stride_c,
    stride_h,
    stride_w,
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
    """Filter maps of `height` by `width` and keep `rows` by `columns` of their positions."""
    plane, position, inside = locate_tile(planes, rows * columns, CHANNELS_LAST, INDEX, BLOCK_PLANES, BLOCK_POSITIONS)
    sample, channel = plane // channels, plane % channels
    source = input + sample * stride_n + channel * stride_c
    top = position // columns * STEP_H - (FILT_SIZE - 1) // 2
    left = position % columns * STEP_W - (FILT_SIZE - 1) // 2
    total = tl.zeros(inside.shape, SUM)
    row_tap = 1.0 / 4 ** (FILT_SIZE - 1)
    for u in tl.static_range(FILT_SIZE):
        y = origin(top + u, height, PADDING)
        tap = row_tap
        for v in tl.static_range(FILT_SIZE):
            x = origin(left + v, width, PADDING)
            met = inside
            if PADDING == 'zeros':
                met = inside & (y >= 0) & (y < height) & (x >= 0) & (x < width)
            total += tap * tl.load(source + (y * stride_h + x * stride_w), met, 0.0).to(SUM)
            tap = tap * (FILT_SIZE - 1 - v) / (v + 1)
        row_tap = row_tap * (FILT_SIZE - 1 - u) / (u + 1)
    target = output + dense_offset(sample, channel, position, channels, rows * columns, CHANNELS_LAST)
    tl.store(target, total.to(output.dtype.element_ty), inside)


@jit
def blur_pool2d_bwd_kernel(
    grad,
    output,
    planes,
    channels,
    height,
    width,
    rows,
    columns,
    stride_n,
    stride_c,
    stride_h,
    stride_w,
    STEP_H: tl.constexpr,
    STEP_W: tl.constexpr,
    REACH_H: tl.constexpr,
    REACH_W: tl.constexpr,
    FILT_SIZE: tl.constexpr,
    PADDING: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_PLANES: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Gradient of maps of `height` by `width` from that of their `rows` by `columns` kept positions."""
    plane, position, inside = locate_tile(planes, height * width, CHANNELS_LAST, INDEX, BLOCK_PLANES, BLOCK_POSITIONS)
    sample, channel = plane // channels, plane % channels
    source = grad + sample * stride_n + channel * stride_c
    y, x = position // width, position % width
    total = tl.zeros(inside.shape, SUM)
    for a in tl.static_range(REACH_H):
        i, row_weight = _meeting_output(a, y, height, rows, STEP_H, FILT_SIZE, PADDING)
        for b in tl.static_range(REACH_W):
            j, column_weight = _meeting_output(b, x, width, columns, STEP_W, FILT_SIZE, PADDING)
            weight = row_weight * column_weight
            value = tl.load(source + (i * stride_h + j * stride_w), inside & (weight != 0), 0.0)
            total += weight * value.to(SUM)
    target = output + dense_offset(sample, channel, position, channels, height * width, CHANNELS_LAST)
    tl.store(target, total.to(output.dtype.element_ty), inside)


@device
def _meeting_output(
    index: tl.constexpr,
    position,
    size,
    kept,
    STEP: tl.constexpr,
    FILT_SIZE: tl.constexpr,
    PADDING: tl.constexpr,
):
    """One of the `_reach` outputs that may look at a position of an axis, counted down, and the weight it has there."""
    if PADDING == 'circular':
        # Where the stride does not divide the side, the outputs beyond the end are up to one off the grid.
        output = wrap((position + (FILT_SIZE - 1) // 2) // STEP + 1 - index, kept)
        known = index < kept
    else:
        # A window with an even number of taps that is mirrored at its end may miss the last position it mirrors.
        if PADDING == 'reflect':
            output = (position + FILT_SIZE // 2) // STEP - index
        else:
            output = (position + (FILT_SIZE - 1) // 2) // STEP - index
        known = (output >= 0) & (output < kept)
    weight = folded_tap(output * STEP - (FILT_SIZE - 1) // 2, position, size, FILT_SIZE, PADDING)
    return output, tl.where(known, weight, 0.0)


def _reach(step: int, filt_size: int, padding_mode: str) -> int:
    """How many outputs of an axis `_meeting_output` has to try."""
    if padding_mode == 'circular':
        return (filt_size - 1) // step + 3
    return (filt_size // 2 + (filt_size // 2 if padding_mode == 'reflect' else (filt_size - 1) // 2)) // step + 1
