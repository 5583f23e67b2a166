"""The fixed low-pass filter. Shapes: N batch, C channels, H W sides, K taps per axis, S stride.

On the CPU it is two products with banded matrices, several times faster than a depthwise convolution: filtering an axis
and keeping every S-th position multiplies it by a (ceil(H / S), H) matrix, which knows the padding as well. Off a
diagonal band that is zero: what lies next to each other in memory is summed as a row, K rows to a sum. The axis along
which the numbers themselves lie next to each other is multiplied block by block.
"""

import functools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.backend import (
    binomial_coefficients,
    binomial_taps,
    is_binomial,
    is_compiling,
    static_shape,
    uses_reference,
    uses_triton,
    width_of,
)
from antialias_plugins.kernels.first_use import Op, is_trusted
from antialias_plugins.kernels.linear import RowSums
from antialias_plugins.kernels.maps import (
    HALF_TYPES,
    as_input,
    constant,
    empty_as,
    widen,
    without_autocast,
)
from antialias_plugins.kernels.padding import applied_mode, pad2d_reference, unpad2d

_BLOCK = 32  # outputs of a block: few zeros are multiplied, and products of that size are quick
_PIECE = 2**20  # elements: what lies between the two axes stays in the cache
_STRIP = 2**22  # elements of an image that are convolved at once, so that their padded copy is allocated quickly


@constant
def binomial_filter(filt_size: int, device: torch.device) -> Tensor:
    """Return the outer product of `binomial_coefficients`, (K, K) in float32. It is kept: nobody may change it.

    A layer has no taps of its own, which it could lose with its device, but K.
    """
    taps = binomial_coefficients(filt_size)
    if is_compiling() and device.type not in ('cpu', 'meta'):  # no CUDA graph takes a copy from the host
        line = torch.cat([torch.full((1,), tap, dtype=torch.float32, device=device) for tap in taps])
        return torch.outer(line, line)
    rows = [[row * column for column in taps] for row in taps]
    return torch.tensor(rows, dtype=torch.float32, device='cpu').to(device)


def blur_pool2d(
    input: Tensor, filt: Tensor | int, stride: tuple[int, int], padding_mode: str, backend: str | None = None
) -> Tensor:
    """Compute `blur_pool2d_reference`, half types in float32 on the CPU; nothing is kept for the backward pass.

    `filt` are (K, K) taps, or the K of binomial ones.
    """
    if uses_reference(backend):
        return as_input(blur_pool2d_reference(widen(input), filt, stride, padding_mode), input)
    is_named = isinstance(filt, int)
    filt_size = filt if is_named else len(filt)
    if filt_size > 1 and uses_triton(
        input,
        filt_size,
        filt=None if is_named else filt,
        backend=backend,
        trusted=lambda: is_trusted(BLUR_POOL, (input,), filt_size, stride, padding_mode),
    ):
        return _by_triton(input, filt, stride, padding_mode)
    map = widen(input) if input.dtype in HALF_TYPES else input
    if filt_size == 1 or (not is_named and filt.requires_grad):
        return as_input(blur_pool2d_reference(map, filt, stride, padding_mode), input)
    output = BlurPool.apply(map, Filter(filt, stride, padding_mode, input.shape[2:]), False)
    if map is input and input.is_contiguous() and output.is_contiguous():
        return output
    return as_input(output, input)


def _by_triton(input: Tensor, filt: Tensor | int, stride: tuple[int, int], padding_mode: str) -> Tensor:
    from antialias_plugins.kernels.triton import blur_pool

    return blur_pool.blur_pool2d(input, filt, stride, padding_mode)


def blur_pool2d_reference(input: Tensor, filt: Tensor | int, stride: tuple[int, int], padding_mode: str) -> Tensor:
    """Filter every channel with the same (K, K) taps, or the binomial ones of K, and keep every S-th position.

    The taps, of any floating type, are converted to the map's, which is that of the result, autocast or not.
    """
    filt_size = width_of(filt)
    if filt_size == 1:
        return input[..., :: stride[0], :: stride[1]]
    padded = pad2d_reference(input, filt_size, padding_mode)
    weight = _depthwise_weight(filt, input)
    with without_autocast(input):
        return F.conv2d(padded, weight, stride=stride, groups=static_shape(weight)[0])


def small_shapes(shape: tuple[int, ...], *settings: object) -> list[tuple[int, ...]]:
    """Shape of a map on which a filter of any size and stride shows its padding and an uneven end."""
    return [(2, shape[1], 13, 10)]


def square_taps(filt_size: int) -> Tensor:
    """Return the (K, K) taps in float64, as a reference needs them."""
    taps = binomial_taps(filt_size)
    return torch.outer(taps, taps)


BLUR_POOL = Op(
    'blur_pool2d',
    lambda map, filt_size, *settings: _by_triton(map, square_taps(filt_size), *settings),
    lambda map, filt_size, *settings: blur_pool2d_reference(map, square_taps(filt_size), *settings),
    small_shapes,
)


class Filter(NamedTuple):
    """A fixed filter of maps of one size: taps or their K, vertical and horizontal S, padding of the map, H and W."""

    filt: Tensor | int
    stride: tuple[int, int]
    padding_mode: str
    sides: tuple[int, int]


class BlurPool(torch.autograd.Function):
    """``BlurPool.apply(map, filter, transposed)`` filters a map, or applies the transpose to (N, C, H', W').

    The filter is linear: nothing is kept, and the gradient of the gradient is the filter again.
    """

    @staticmethod
    def forward(ctx, map: Tensor, filter: Filter, transposed: bool) -> Tensor:
        """Filter."""
        ctx.filter, ctx.transposed = filter, transposed
        output = _multiply(map, filter, transposed)
        return _convolve(map, filter, transposed) if output is None else output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        """Apply the transpose."""
        return BlurPool.apply(as_input(grad, grad), ctx.filter, not ctx.transposed), None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_: None) -> Tensor:
        """Filter the direction."""
        return BlurPool.apply(tangent, ctx.filter, ctx.transposed)


def _multiply(map: Tensor, filter: Filter, transposed: bool) -> Tensor | None:
    """Multiply both axes, or return None where products are impossible or another sum than that of `_convolve`.

    Products may add the taps of one position in another order than those of the next: circular shifts of exactly
    equivariant networks would show it. And infinities and NaN meet the zeros of a block, which a filter does not have.
    """
    filt, stride, padding_mode, sides = filter
    if map.device.type != 'cpu' or padding_mode == 'circular' or map.dtype not in (torch.float32, torch.float64):
        return None
    if not map.is_contiguous() or not map.numel() or type(map) is not Tensor or torch._C._len_torch_dispatch_stack():
        return None
    filt_size = filt if isinstance(filt, int) else is_binomial(filt) and len(filt)
    if not filt_size:
        return None
    products = _products(map.shape, map.dtype, filt_size, stride, padding_mode, sides, transposed)
    result = map.new_empty(products.shape)  # not a view, which could not be changed in place
    table, target = map.view(-1, map.shape[3]), result.view(-1, products.shape[3])
    for start, (rows, offsets, weights) in products.pieces:
        # The vertical axis comes first, because that reads each value once. The last argument includes the last offset.
        sums = torch.embedding_bag(table[start[0] :], rows, offsets, False, 0, False, weights, True)[0]
        for outputs, inputs, matrix in products.blocks:
            torch.mm(sums.narrow(1, *inputs), matrix, out=target[start[1] : start[1] + len(sums)].narrow(1, *outputs))
    return result if math.isfinite(result.sum().item()) else None


class _Products(NamedTuple):
    """What maps of one shape are multiplied with.

    Attributes:
        shape: (N, C, H', W') of the product.
        pieces: of the vertical axis, a few planes at a time: the first row of the map and of the product, and the
            rows, offsets and weights of `RowSums`.
        blocks: of the horizontal axis: first and number of neighbouring outputs, first and number of the positions that
            they depend on, and the (positions, outputs) matrix.
    """

    shape: tuple[int, ...]
    pieces: tuple[tuple[tuple[int, int], tuple[Tensor, Tensor, Tensor]], ...]
    blocks: tuple[tuple[tuple[int, int], tuple[int, int], Tensor], ...]


@functools.lru_cache(maxsize=64)
def _products(
    shape: tuple[int, ...],
    dtype: torch.dtype,
    filt_size: int,
    stride: tuple[int, int],
    padding_mode: str,
    sides: tuple[int, int],
    transposed: bool,
) -> _Products:
    """Prepare the products: for all, whatever mode the first call is made in."""
    with torch.inference_mode(False), torch.device('cpu'):
        mode = applied_mode(padding_mode, filt_size // 2, sides)
        matrices = [_banded_matrix(side, step, filt_size, mode) for side, step in zip(sides, stride, strict=True)]
        vertical, horizontal = (matrix.T.to(dtype) if transposed else matrix.to(dtype) for matrix in matrices)
        planes, (height, width), (kept, columns) = math.prod(shape[:2]), shape[2:], (len(vertical), len(horizontal))
        largest = max(height * width, kept * columns)
        count = max(_PIECE * planes // (planes * largest), 1)
        one = RowSums(vertical.nonzero()[:, 1].int(), F.pad(vertical.count_nonzero(1).cumsum(0), (1, 0)).int())
        sums, weights = one.repeat(min(count, planes), height), vertical[vertical != 0].repeat(min(count, planes))
        pieces = []
        for first in range(0, planes, count):
            last, entries = min(count, planes - first), len(one.rows)
            parts = sums.rows[: last * entries], sums.offsets[: last * kept + 1], weights[: last * entries]
            pieces.append(((first * height, first * kept), parts))
        blocks = [_block(_BLOCK * index, part) for index, part in enumerate(horizontal.split(_BLOCK))]
        return _Products((*shape[:2], kept, columns), tuple(pieces), tuple(blocks))


def _banded_matrix(side: int, step: int, filt_size: int, padding_mode: str) -> Tensor:
    """The (ceil(H / S), H) matrix of an axis."""
    before = (filt_size - 1) // 2
    unit_vectors = torch.eye(side, dtype=torch.float64)[None, None]
    padded = pad2d_reference(unit_vectors, filt_size, padding_mode)[0, 0, :, before : before + side]
    return padded.unfold(0, filt_size, step) @ binomial_taps(filt_size)


def _block(first: int, rows: Tensor) -> tuple[tuple[int, int], tuple[int, int], Tensor]:
    """Rows of a matrix without the zeros around their band."""
    used = rows.any(0).nonzero().flatten().tolist() or [0]
    start, end = used[0], used[-1] + 1
    return (first, len(rows)), (start, end - start), rows[:, start:end].contiguous().T


def _convolve(map: Tensor, filter: Filter, transposed: bool) -> Tensor:
    """Convolve, or apply the transpose: of large images on the CPU a few rows at a time, with those around them."""
    (height, width), step, reach = filter.sides, filter.stride[0], width_of(filter.filt)
    kept = -(-height // step)
    rows = max(_STRIP * kept // max(map.shape[1] * height * width, 1), reach)
    if map.device.type != 'cpu' or filter.padding_mode == 'circular' or rows >= kept:
        return _convolve_at_once(map, filter, transposed)
    sides = (height, width) if transposed else (kept, -(-width // filter.stride[1]))
    output = empty_as(map, (*map.shape[:2], *sides))
    for image, target in zip(map.split(1), output.split(1), strict=True):  # rows of an image lie together
        for first in range(0, kept, rows):
            small = first, min(first + rows, kept), max(first - reach, 0), min(first + rows + reach, kept)
            large = [min(step * row, height) for row in small]
            (_, _, top, bottom), (start, end, origin, _) = (small, large) if transposed else (large, small)
            strip = filter._replace(sides=(large[3] - large[2], width))
            part = _convolve_at_once(image[:, :, top:bottom], strip, transposed)
            target[:, :, start:end] = part[:, :, start - origin : end - origin]
    return output


def _convolve_at_once(map: Tensor, filter: Filter, transposed: bool) -> Tensor:
    """The reference or its transpose."""
    filt, stride, padding_mode, sides = filter
    if not transposed:
        return blur_pool2d_reference(map, filt, stride, padding_mode)
    padded, weight = [side + width_of(filt) - 1 for side in sides], _depthwise_weight(filt, map)
    with without_autocast(map):
        if map.device.type == 'cpu':
            rest = [(side - 1) % step for side, step in zip(sides, stride, strict=True)]
            spread = F.conv_transpose2d(map, weight, None, stride, 0, rest, len(weight))
        else:  # cuDNN would round a transposed convolution to TF32.
            spread = torch.nn.grad.conv2d_input((*map.shape[:2], *padded), weight, map, stride, 0, 1, len(weight))
    return unpad2d(spread, width_of(filt), padding_mode)


def _depthwise_weight(filt: Tensor | int, input: Tensor) -> Tensor:
    """The (K, K) taps as the (C, 1, K, K) weight of a convolution that filters every channel of `input`."""
    filt = binomial_filter(filt, input.device) if isinstance(filt, int) else filt
    return filt.type_as(input).expand(static_shape(input)[1], 1, -1, -1).contiguous()
