"""The fixed filter and its transpose, without a padded copy of a large map.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride. A convolution pads with zeros by itself; the few
outputs that look beyond the border in another mode are computed again, from the `Band` they look at.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels import banded, eager
from antialias_plugins.kernels.bands import Band, find_bands
from antialias_plugins.kernels.padding import unpad2d
from antialias_plugins.kernels.precision import without_autocast

_LARGE = 2**20  # elements; padding a smaller map takes less time than its bands


def blur_pool2d(input: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str) -> Tensor:
    """Compute `antialias_plugins.kernels.eager.blur_pool2d`."""
    product = banded.blur_pool2d(input, filt, stride, padding_mode)
    if product is not None:
        return product
    bands = _bands(input, input.shape, filt, stride, padding_mode)
    if bands is None:
        return eager.blur_pool2d(input, filt, stride, padding_mode)
    with without_autocast(input):
        weight, padding = eager.depthwise_weight(filt, input), (len(filt) - 1) // 2
        output = F.conv2d(input, weight, stride=stride, padding=padding, groups=len(weight))
    for band in bands:
        border = eager.blur_pool2d(input.narrow(band.dim, *band.inputs), filt, stride, padding_mode)
        output.narrow(band.dim, *band.outputs).copy_(border.narrow(band.dim, band.skipped, band.outputs[1]))
    return output


def blur_pool2d_transpose(
    grad: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str, sides: tuple[int, int]
) -> Tensor:
    """Apply the transpose of `blur_pool2d`.

    Args:
        grad: (N, C, ceil(H / S), ceil(W / S)).
        filt: (K, K).
        stride: vertical and horizontal S.
        padding_mode: border of the map.
        sides: H and W.

    Returns:
        (N, C, H, W) in the type and memory format of `grad`.
    """
    product = banded.blur_pool2d_transpose(grad, filt, stride, padding_mode, sides)
    if product is not None:
        return product
    bands = _bands(grad, (*grad.shape[:2], *sides), filt, stride, padding_mode)
    if bands is None:
        padded = _spread(grad, filt, stride, [side + len(filt) - 1 for side in sides])
        return unpad2d(padded, len(filt), padding_mode)
    grad, borders = grad.clone(), []
    for band in reversed(bands):
        part = grad.narrow(band.dim, *band.outputs)
        border = (band.skipped, -(-band.inputs[1] // stride[band.dim - 2]) - band.skipped - band.outputs[1])
        seen = F.pad(part, (0, 0, *border) if band.dim == 2 else border)
        part.zero_()
        band_sides = (band.inputs[1], sides[1]) if band.dim == 2 else (sides[0], band.inputs[1])
        padded = _spread(seen, filt, stride, [side + len(filt) - 1 for side in band_sides])
        borders.append((band, unpad2d(padded, len(filt), padding_mode)))
    spread = _spread(grad, filt, stride, sides, (len(filt) - 1) // 2)
    for band, border in borders:
        spread.narrow(band.dim, *band.inputs).add_(border)
    return spread


def _bands(
    like: Tensor, shape: tuple[int, ...], filt: Tensor, stride: tuple[int, int], padding_mode: str
) -> list[Band] | None:
    """The bands of a map of that shape, or None if it is to be padded as a whole."""
    if like.device.type != 'cpu' or padding_mode == 'circular' or torch.Size(shape).numel() < _LARGE:
        return None
    if min(shape[2:]) < 2 * len(filt) * max(stride):
        return None
    bands = find_bands(len(filt), stride, shape[2:])
    return [] if bands and padding_mode == 'zeros' else bands


def _spread(
    grad: Tensor, filt: Tensor, stride: tuple[int, int], sides: tuple[int, int] | list[int], padding: int = 0
) -> Tensor:
    """Gradient of a map of `sides` that was convolved with that padding."""
    weight = eager.depthwise_weight(filt, grad)
    with without_autocast(grad):
        if grad.device.type != 'cpu':  # cuDNN would round a transposed convolution to TF32.
            return torch.nn.grad.conv2d_input((*grad.shape[:2], *sides), weight, grad, stride, padding, 1, len(weight))
        rest = [
            side + 2 * padding - len(filt) - step * (kept - 1)
            for side, step, kept in zip(sides, stride, grad.shape[2:], strict=True)
        ]
        return F.conv_transpose2d(grad, weight, None, stride, padding, rest, len(weight))
