"""The filters in plain PyTorch: differentiable by themselves, and known to everything that records a program.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride, G groups. A *padded* map has sides ``H + K - 1`` and
``W + K - 1``; an output has sides ``H' = ceil(H / S)`` and ``W' = ceil(W / S)``. Arguments are taken as valid: the
checks are in `antialias_plugins.functional`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.max_window import MaxWindow
from antialias_plugins.kernels.padding import pad2d
from antialias_plugins.kernels.precision import widen, without_autocast
from antialias_plugins.kernels.shape import static_shape

_HALF_TYPES = (torch.float16, torch.bfloat16)


def blur_pool2d(input: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str) -> Tensor:
    """Filter every channel with the same taps and keep every S-th position.

    Args:
        input: (N, C, H, W).
        filt: (K, K), any floating type: it is converted to the map's.
        stride: vertical and horizontal S.
        padding_mode: border of the map, as in `pad2d`.

    Returns:
        (N, C, H', W') in the type of `input`, whether or not autocast is on.
    """
    padded = pad2d(input, static_shape(filt)[0], padding_mode)
    weight = depthwise_weight(filt, input)
    with without_autocast(input):
        return F.conv2d(padded, weight, stride=stride, groups=static_shape(weight)[0])


def depthwise_weight(filt: Tensor, input: Tensor) -> Tensor:
    """The (K, K) taps as the (C, 1, K, K) weight of a convolution that filters every channel of `input`."""
    return filt.to(input.dtype).expand(static_shape(input)[1], 1, -1, -1).contiguous()


def dense_max_pool2d(input: Tensor, window: MaxWindow) -> Tensor:
    """Take the maximum of the window at every position; NaN if there is one in it.

    Args:
        input: (N, C, H, W).
        window: where to look.

    Returns:
        (N, C, ``window.side(0, H)``, ``window.side(1, W)``).
    """
    map = widen(input)
    if window.overhang:
        bottom, right = window.overhang
        map = F.pad(map, (0, right, 0, bottom), value=float('-inf'))
    return F.max_pool2d(map, window.kernel_size, 1, window.padding, window.dilation).to(input.dtype)


def adaptive_blur_pool2d(
    padded: Tensor, logits: Tensor, filt_size: int, stride: tuple[int, int], groups: int, softmax: str
) -> Tensor:
    """Filter every position and channel group with its own taps, given as logits at the kept positions.

    Softmax and sum are in float32 for half types. No patch is ever copied: the K * K terms are strided views of the one
    padded map.

    Args:
        padded: (N, C, H + K - 1, W + K - 1).
        logits: (N, G * K * K, H', W').
        filt_size: K.
        stride: vertical and horizontal S.
        groups: G.
        softmax: ``'group'`` normalises the K * K taps of each group, ``'joint'`` the G * K * K taps of all.

    Returns:
        (N, C, H', W') in the type of `padded`.
    """
    weights = normalise(logits, groups, softmax)
    windows = _windows(split_groups(padded, groups), filt_size, stride)
    return weighted_sum(weights, windows).flatten(1, 2).to(padded.dtype)


def separable_map2d(input: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Map both axes by a matrix each, in at least float32.

    Args:
        input: (N, C, H, W).
        rows: (H', H), of a vertical axis.
        columns: (W', W), of a horizontal one.

    Returns:
        (N, C, H', W') in the type of `input`, whether or not autocast is on.
    """
    dtype = torch.float32 if input.dtype in _HALF_TYPES else input.dtype
    with without_autocast(input):
        return (rows.to(dtype) @ input.to(dtype) @ columns.to(dtype).transpose(0, 1)).to(input.dtype)


def normalise(logits: Tensor, groups: int, softmax: str) -> Tensor:
    """Softmax of (N, G * K * K, H', W') logits in at least float32, as (N, G, K * K, H', W')."""
    dtype = torch.float32 if logits.dtype in _HALF_TYPES else None
    if softmax == 'joint':
        return split_groups(logits.softmax(1, dtype=dtype), groups)
    return split_groups(logits, groups).softmax(2, dtype=dtype)


def split_groups(map: Tensor, groups: int) -> Tensor:
    """View (N, C, H, W) as (N, G, C / G, H, W).

    ONNX's exporter of traces takes sides for numbers in an `unflatten` behind a slice.
    """
    batch, channels, height, width = map.shape
    return map.reshape(batch, groups, channels // groups, height, width)


def weighted_sum(weights: Tensor, windows: list[Tensor]) -> Tensor:
    """Sum of K * K maps (N, G, C / G, H', W') with weights (N, G, K * K, H', W'), in the type of the weights."""
    output = weights[:, :, 0, None] * windows[0].to(weights.dtype)
    for tap in range(1, len(windows)):
        output = output.addcmul_(weights[:, :, tap, None], windows[tap].to(weights.dtype))
    return output


def _windows(padded: Tensor, filt_size: int, stride: tuple[int, int]) -> list[Tensor]:
    """For each of the K * K taps, row by row, the strided view (..., H', W') of what it meets.

    No size is written down: a trace has to hold for maps of another size.
    """
    cuts = [slice(first, first - filt_size + 1 or None) for first in range(filt_size)]
    return [padded[..., rows, columns][..., :: stride[0], :: stride[1]] for rows in cuts for columns in cuts]
