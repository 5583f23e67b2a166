"""The fixed filter as products with two banded matrices: on the CPU several times faster than a depthwise convolution.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride. Filtering an axis and keeping every S-th position
multiplies it by a (ceil(H / S), H) matrix, which knows the border as well. Off a diagonal band it is zero: what lies
next to each other in memory is summed as a row, K rows to a sum. The axis along which the numbers themselves lie next
to each other is multiplied block by block.
"""

import functools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.padding import applied_mode, pad2d
from antialias_plugins.kernels.precision import as_input
from antialias_plugins.kernels.row_sums import RowSums

_BLOCK = 32  # outputs of a block: few zeros are multiplied, and products of that size are quick
_PIECE = 2**20  # elements: what lies between the two axes stays in the cache


class Axis(NamedTuple):
    """An axis and what happens to it.

    Attributes:
        side: positions of the larger map.
        step: S.
        taps: K numbers.
        padding_mode: ``'zeros'``, ``'reflect'`` or ``'replicate'``.
        dtype: of the maps.
        transposed: whether the larger map is the output.
    """

    side: int
    step: int
    taps: tuple[float, ...]
    padding_mode: str
    dtype: torch.dtype
    transposed: bool

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return self.side if self.transposed else -(-self.side // self.step)

    def matrix(self) -> Tensor:
        """Return the (outputs, inputs) matrix."""
        before = (len(self.taps) - 1) // 2
        unit_vectors = torch.eye(self.side, dtype=torch.float64)[None, None]
        padded = pad2d(unit_vectors, len(self.taps), self.padding_mode)[0, 0, :, before : before + self.side]
        matrix = padded.unfold(0, len(self.taps), self.step) @ torch.tensor(self.taps, dtype=torch.float64)
        return (matrix.T if self.transposed else matrix).to(self.dtype)


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
    return None if axes is None else _filter(input, *axes)


def blur_pool2d_transpose(
    grad: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str, sides: tuple[int, int]
) -> Tensor | None:
    """Compute `antialias_plugins.kernels.low_pass.blur_pool2d_transpose`, or None where `low_pass` has to."""
    grad = as_input(grad, grad)
    axes = _axes(grad, filt, stride, padding_mode, sides, transposed=True)
    return None if axes is None else _filter(grad, *axes)


def _axes(
    map: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str, sides: tuple[int, int], transposed: bool
) -> list[Axis] | None:
    """The vertical and the horizontal axis, if products are possible, faster, and the same at every shift.

    Products may add the taps of one position in another order than those of the next: circular shifts of exactly
    equivariant networks would show it.
    """
    if map.device.type != 'cpu' or map.dtype not in (torch.float32, torch.float64) or padding_mode == 'circular':
        return None
    if not map.numel() or not map.is_contiguous():
        return None
    taps = filt.sum(1)
    if not torch.equal(torch.outer(taps, taps), filt):
        return None
    mode = applied_mode(padding_mode, len(filt) // 2, sides)
    options = (tuple(taps.tolist()), mode, map.dtype, transposed)
    return [Axis(side, step, *options) for side, step in zip(sides, stride, strict=True)]


def _filter(map: Tensor, vertical: Axis, horizontal: Axis) -> Tensor | None:
    """Multiply both axes of N C H W, a piece at a time: the vertical one first, because that reads each value once."""
    result = map.new_empty(*map.shape[:2], vertical.outputs, horizontal.outputs)  # a view could not be changed in place
    planes, products = map.flatten(0, 1), result.flatten(0, 1)
    count = max(_PIECE * len(planes) // max(map.numel(), result.numel()), 1)
    for part, product in zip(planes.split(count), products.split(count), strict=True):
        sums, weights = _row_sums(vertical, part.shape[:2])
        half = sums.sum(part.flatten(0, 1), weights)
        _multiply_blocks(half, horizontal, product.flatten(0, 1))
    return _finite(result)


@functools.lru_cache(maxsize=64)
def _row_sums(axis: Axis, shape: tuple[int, int]) -> tuple[RowSums, Tensor]:
    """Which rows of (planes, inputs) each output sums, and with which weights."""
    with torch.inference_mode(False):
        matrix, (planes, inputs) = axis.matrix(), shape
        offsets = F.pad(matrix.count_nonzero(1).cumsum(0), (1, 0))
        sums = RowSums(matrix.nonzero()[:, 1].int(), offsets.int())
        return sums.repeat(planes, inputs), matrix[matrix != 0].repeat(planes)


def _multiply_blocks(map: Tensor, axis: Axis, result: Tensor) -> None:
    """Multiply the last dimension of a matrix into another."""
    with torch.autocast('cpu', enabled=False):
        for outputs, inputs, weights in _blocks(axis):
            torch.mm(map.narrow(1, *inputs), weights.T, out=result.narrow(1, *outputs))


@functools.lru_cache(maxsize=256)
def _blocks(axis: Axis) -> tuple[Block, ...]:
    """The matrix of an axis without the zeros around its band."""
    with torch.inference_mode(False):
        parts = axis.matrix().split(_BLOCK)
        return tuple(_block(_BLOCK * position, part) for position, part in enumerate(parts))


def _block(first: int, rows: Tensor) -> Block:
    used = rows.any(0).nonzero().flatten().tolist() or [0]
    start, end = used[0], used[-1] + 1
    return Block((first, len(rows)), (start, end - start), rows[:, start:end].contiguous())


def _finite(result: Tensor) -> Tensor | None:
    """What was multiplied, unless an infinity or a NaN met the zeros of a block, which a filter does not have."""
    return result if math.isfinite(result.sum().item()) else None
