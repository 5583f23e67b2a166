"""Tiles of a map: Triton itself, the places of a tile, and the launch of a kernel over its tiles.

Lengths are in elements. A *plane* is one channel of one sample, a *position* one place of it: a tile is so many planes
by so many positions. What lies together in memory is its last axis, so that neighbouring threads read neighbouring
values: positions in the contiguous format, planes in channels_last. All that depends on positions alone is computed
once for all planes. This is the one file that imports Triton.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from antialias_plugins.kernels.maps import is_channels_last

_TILE = 512  # values: four per thread of four warps, which share the arithmetic on their positions
_CHANNELS = 128  # at most next to each other in a tile: 256 bytes of a half type
_POSITIONS = (128, 64, 32)  # next to each other in a tile: a warp reads at least a row of its own

jit = triton.jit
next_power_of_2 = triton.next_power_of_2


@jit
def _probe():
    pass


# Decided when a kernel is defined: with TRITON_INTERPRET=1 all of them run as NumPy, on the CPU too.
INTERPRETED = not isinstance(_probe, triton.JITFunction)


def device(function: Callable) -> Any:
    """Decorate a function that kernels call.

    The interpreter needs no decoration, and with one it would prepare Triton's language anew at every call.
    """
    return function if INTERPRETED else jit(function)


@device
def locate_tile(
    planes,
    positions,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_PLANES: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Planes and positions of this program, as a column and a row (channels_last: a row and a column)."""
    program = tl.program_id(0).to(INDEX)
    if CHANNELS_LAST:
        blocks = tl.cdiv(planes, BLOCK_PLANES)
        plane_block, position_block = program % blocks, program // blocks
    else:
        blocks = tl.cdiv(positions, BLOCK_POSITIONS)
        plane_block, position_block = program // blocks, program % blocks
    plane = over_positions(plane_block * BLOCK_PLANES + tl.arange(0, BLOCK_PLANES), CHANNELS_LAST)
    position = over_planes(position_block * BLOCK_POSITIONS + tl.arange(0, BLOCK_POSITIONS), CHANNELS_LAST)
    return plane, position, (plane < planes) & (position < positions)


@device
def locate_group_tile(
    groups,
    members,
    positions,
    CHANNELS_LAST: tl.constexpr,
    INDEX: tl.constexpr,
    BLOCK_MEMBERS: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
):
    """Sample, group, members of the group and (without their axis) positions of this program.

    A tile never holds channels of two groups. What is loaded for a position is given to its channels by `over_planes`
    afterwards: before, each channel would load it.
    """
    program = tl.program_id(0).to(INDEX)
    member_blocks, position_blocks = tl.cdiv(members, BLOCK_MEMBERS), tl.cdiv(positions, BLOCK_POSITIONS)
    if CHANNELS_LAST:
        group_block = program % (groups * member_blocks)
        position_block = program // (groups * member_blocks) % position_blocks
    else:
        position_block = program % position_blocks
        group_block = program // position_blocks % (groups * member_blocks)
    sample = program // (groups * member_blocks * position_blocks)
    member = group_block % member_blocks * BLOCK_MEMBERS + tl.arange(0, BLOCK_MEMBERS)
    position = position_block * BLOCK_POSITIONS + tl.arange(0, BLOCK_POSITIONS)
    return sample, group_block // member_blocks, over_positions(member, CHANNELS_LAST), position


@device
def over_planes(values, CHANNELS_LAST: tl.constexpr):
    """Give one value per position the axis of the planes."""
    if CHANNELS_LAST:
        return values[:, None]
    else:
        return values[None, :]


@device
def over_positions(values, CHANNELS_LAST: tl.constexpr):
    """Give one value per plane the axis of the positions."""
    if CHANNELS_LAST:
        return values[None, :]
    else:
        return values[:, None]


@device
def dense_offset(sample, channel, position, channels, positions, CHANNELS_LAST: tl.constexpr):
    """Place in a tensor (N, C, positions) without gaps."""
    if CHANNELS_LAST:
        return (sample * positions + position) * channels + channel
    else:
        return (sample * channels + channel) * positions + position


@device
def wrap(position, size):
    """Remainder of at least 0."""
    return (position % size + size) % size


@device
def origin(position, size, PADDING: tl.constexpr):
    """Where the value at a position beyond the end of an axis comes from; with ``'zeros'`` nowhere on the map."""
    if PADDING == 'circular':
        position = wrap(position, size)
    elif PADDING == 'reflect':
        position = size - 1 - tl.abs(size - 1 - tl.abs(position))
    elif PADDING == 'replicate':
        position = tl.minimum(tl.maximum(position, 0), size - 1)
    return position


@device
def folded_tap(first, position, size, FILT_SIZE: tl.constexpr, PADDING: tl.constexpr):
    """Weight of a position in an output whose window begins at `first`, with what the padding adds to it."""
    tap = 1.0 / 2 ** (FILT_SIZE - 1)
    weight = 0.0
    for index in tl.static_range(FILT_SIZE):
        weight += tl.where(origin(first + index, size, PADDING) == position, tap, 0.0)
        tap = tap * (FILT_SIZE - 1 - index) / (index + 1)
    return weight


def launch(kernel: Any, output: Tensor, *arguments: Tensor | int, tile: int = _TILE, **constants: Any) -> None:
    """Run a kernel whose programs share out the planes and positions of `output`.

    Args:
        kernel: one that takes `locate_tile`'s constants.
        output: (N, C, H', W') without gaps, in either memory format.
        arguments: of the kernel.
        tile: number of values per program; fewer if a thread needs many registers for each.
        constants: its further compile-time constants.
    """
    planes, positions = math.prod(output.shape[:2]), math.prod(output.shape[2:])
    block_planes, block_positions = _blocks(planes, positions, tile, is_channels_last(output))
    constants |= {'BLOCK_PLANES': block_planes, 'BLOCK_POSITIONS': block_positions}
    tiles = triton.cdiv(planes, block_planes) * triton.cdiv(positions, block_positions)
    _run(kernel, tiles, output, arguments, constants)


def launch_groups(
    kernel: Any, output: Tensor, groups: int, *arguments: Tensor | int, whole: bool = False, **constants: Any
) -> None:
    """Run a kernel whose programs share out the members of each channel group and the positions of `output`.

    Args:
        kernel: one that takes `locate_group_tile`'s constants.
        output: (N, C, H', W') without gaps, in either memory format.
        groups: G, a divisor of C.
        arguments: of the kernel.
        whole: whether a tile holds all members of its group.
        constants: its further compile-time constants.
    """
    members, positions = output.shape[1] // groups, math.prod(output.shape[2:])
    block_members, block_positions = _blocks(members, positions, _TILE, is_channels_last(output))
    if whole:
        block_members = next_power_of_2(members)
        block_positions = max(2 * _TILE // block_members, 1)
    tiles = output.shape[0] * groups * triton.cdiv(members, block_members) * triton.cdiv(positions, block_positions)
    constants |= {'BLOCK_MEMBERS': block_members, 'BLOCK_POSITIONS': block_positions}
    _run(kernel, tiles, output, arguments, constants)


def _blocks(planes: int, positions: int, tile: int, channels_last: bool) -> tuple[int, int]:
    """Planes and positions of a tile. Positions of small maps are cut where the least is left over."""
    power = next_power_of_2(max(planes, 1))
    if channels_last:
        # Twice as many: a thread reads eight neighbours of a half type at once.
        block_planes = min(power, _CHANNELS)
        return block_planes, 2 * tile // block_planes
    sizes = [size for size in _POSITIONS if size * power >= tile] or _POSITIONS[:1]
    block_positions = min(sizes, key=lambda size: triton.cdiv(positions, size) * size)
    return min(power, tile // block_positions), block_positions


def _run(kernel: Any, tiles: int, output: Tensor, arguments: tuple[Tensor | int, ...], constants: dict) -> None:
    if output.numel() == 0:
        return
    tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
    with torch.cuda.device_of(output):
        kernel[(tiles,)](
            *arguments,
            **constants,
            CHANNELS_LAST=is_channels_last(output),
            INDEX=tl.int32 if max(map(_reach, tensors)) < 2**31 else tl.int64,
            SUM=tl.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else tl.float32,
        )


def _reach(tensor: Tensor) -> int:
    """Distance of the last element from the first, in elements."""
    return sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
