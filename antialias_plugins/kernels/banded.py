"""The fixed filter as products with two banded matrices: on the CPU several times faster than a depthwise convolution.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride. Filtering an axis and keeping every S-th position
multiplies it by a (ceil(H / S), H) matrix, which knows the border as well. Off a diagonal band it is zero, so a long
axis is multiplied block by block.
"""

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from antialias_plugins.kernels.padding import applied_mode, pad2d
from antialias_plugins.kernels.precision import as_input, is_channels_last

_BLOCK = 64  # positions of a block on the larger map: few zeros are multiplied, and products of that size are quick
_PIECE = 2**20  # elements: what lies between the two products stays in the cache
_WIDE = 32  # a channels-last map with a longer side is filtered faster by a convolution


class Block(NamedTuple):
    """Neighbouring outputs of an axis.

    Attributes:
        outputs: first and number.
        inputs: first and number of the positions that they depend on.
        weights: (outputs, inputs).
    """

    outputs: tuple[int, int]
    inputs: tuple[int, int]
    weights: Tensor


def blur_pool2d(input: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str) -> Tensor | None:
    """Compute `antialias_plugins.kernels.eager.blur_pool2d`, or None where `low_pass` has to."""
    axes = _axes(input, filt, stride, padding_mode, input.shape[2:], transposed=False)
    return None if axes is None else _finite(_multiply(input, axes, first=0))


def blur_pool2d_transpose(
    grad: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str, sides: tuple[int, int]
) -> Tensor | None:
    """Compute `antialias_plugins.kernels.low_pass.blur_pool2d_transpose`, or None where `low_pass` has to."""
    grad = as_input(grad, grad)
    axes = _axes(grad, filt, stride, padding_mode, sides, transposed=True)
    return None if axes is None else _finite(_multiply(grad, axes, first=1))


def _axes(
    map: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str, sides: tuple[int, int], transposed: bool
) -> list[tuple[Block, ...]] | None:
    """Matrices of the vertical and the horizontal axis, if products are possible, faster, and the same at every shift.

    Products may add the taps of one position in another order than those of the next: circular shifts of exactly
    equivariant networks would show it.
    """
    if map.device.type != 'cpu' or map.dtype not in (torch.float32, torch.float64) or padding_mode == 'circular':
        return None
    if not map.numel() or not (map.is_contiguous() or (is_channels_last(map) and max(sides) <= _WIDE)):
        return None
    taps = filt.sum(1)
    if not torch.equal(torch.outer(taps, taps), filt):
        return None
    mode = applied_mode(padding_mode, len(filt) // 2, sides)
    options = (tuple(taps.tolist()), mode, map.dtype, transposed)
    return [_blocks(side, step, *options) for side, step in zip(sides, stride, strict=True)]


@functools.lru_cache(maxsize=256)
def _blocks(
    side: int, step: int, taps: tuple[float, ...], mode: str, dtype: torch.dtype, transposed: bool
) -> tuple[Block, ...]:
    """Matrix of one axis, or its transpose, without the zeros around its band."""
    with torch.inference_mode(False):
        before = (len(taps) - 1) // 2
        unit_vectors = torch.eye(side, dtype=torch.float64)[None, None]
        padded = pad2d(unit_vectors, len(taps), mode)[0, 0, :, before : before + side]
        matrix = padded.unfold(0, len(taps), step) @ torch.tensor(taps, dtype=torch.float64)
        matrix = (matrix.T if transposed else matrix).to(dtype)
        return tuple(
            _block(first, part) for first, part in _cut(matrix, _BLOCK if transposed else max(_BLOCK // step, 1))
        )


def _cut(matrix: Tensor, rows: int) -> list[tuple[int, Tensor]]:
    return [(first, matrix[first : first + rows]) for first in range(0, len(matrix), rows)]


def _block(first: int, rows: Tensor) -> Block:
    used = rows.any(0).nonzero().flatten().tolist() or [0]
    start, end = used[0], used[-1] + 1
    return Block((first, len(rows)), (start, end - start), rows[:, start:end].contiguous())


def _multiply(map: Tensor, axes: list[tuple[Block, ...]], first: int) -> Tensor:
    """Multiply both axes of N C H W, a piece at a time; `first` is the one after which less is left to do."""
    layout = torch.contiguous_format if map.is_contiguous() else torch.channels_last
    result = torch.empty(*map.shape[:2], *(_size(blocks) for blocks in axes), dtype=map.dtype, memory_format=layout)
    if layout == torch.contiguous_format:
        source, target = map.flatten(0, 1), result.flatten(0, 1)
    else:
        source, target = map.permute(0, 2, 3, 1), result.permute(0, 2, 3, 1)
    count = max(_PIECE * len(source) // max(source.numel(), target.numel()), 1)
    for part, product in zip(source.split(count), target.split(count), strict=True):
        half = part.new_empty(*part.shape[: 1 + first], _size(axes[first]), *part.shape[2 + first :])
        _multiply_axis(part, axes[first], 1 + first, half)
        _multiply_axis(half, axes[1 - first], 2 - first, product)
    return result


def _size(blocks: tuple[Block, ...]) -> int:
    return sum(blocks[-1].outputs)


def _multiply_axis(map: Tensor, blocks: tuple[Block, ...], dim: int, result: Tensor) -> None:
    """Multiply one dimension of a contiguous tensor into another."""
    outer, inner = math.prod(map.shape[:dim]), math.prod(map.shape[dim + 1 :])
    source, target = (tensor.view(outer, -1, inner) for tensor in (map, result))
    with torch.autocast('cpu', enabled=False):
        for outputs, inputs, weights in blocks:
            part, sums = source.narrow(1, *inputs), target.narrow(1, *outputs)
            if inner == 1:
                torch.mm(part[..., 0], weights.T, out=sums[..., 0])
            else:
                torch.bmm(weights.expand(outer, -1, -1), part, out=sums)


def _finite(result: Tensor) -> Tensor | None:
    """What was multiplied, unless an infinity or a NaN met the zeros of a matrix, which a filter does not have."""
    return result if math.isfinite(result.sum().item()) else None
