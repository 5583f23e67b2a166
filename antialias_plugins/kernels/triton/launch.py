"""How a map is cut into tiles, one per program. Shapes: N batch, C channels, H W sides."""

import math
from typing import Any

import torch
from torch import Tensor

from antialias_plugins.kernels.precision import is_channels_last
from antialias_plugins.kernels.triton.language import next_power_of_2, tl

_TILE = 512  # values: four per thread of four warps, which share the arithmetic on their positions
_CHANNELS = 128  # at most next to each other in a tile: 256 bytes of a half type
_POSITIONS = (128, 64, 32)  # next to each other in a tile: a warp reads at least a row of its own


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
    _run(kernel, _count(planes, block_planes) * _count(positions, block_positions), output, arguments, constants)


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
    tiles = output.shape[0] * groups * _count(members, block_members) * _count(positions, block_positions)
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
    block_positions = min(sizes, key=lambda size: _count(positions, size) * size)
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


def _count(length: int, block: int) -> int:
    return -(-length // block)
