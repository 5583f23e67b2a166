"""The filters in plain PyTorch, computed at the kept positions only.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride, G groups. A *padded* map has sides ``H + K - 1`` and
``W + K - 1``; an output has sides ``H' = ceil(H / S)`` and ``W' = ceil(W / S)``. Arguments are taken as valid: the
checks are in `antialias_plugins.functional`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.shape import static_shape

_HALF_TYPES = (torch.float16, torch.bfloat16)


def blur_pool2d(padded: Tensor, filt: Tensor, stride: tuple[int, int]) -> Tensor:
    """Filter every channel with the same taps and keep every S-th position.

    Args:
        padded: (N, C, H + K - 1, W + K - 1).
        filt: (K, K), any floating type: it is converted to the map's.
        stride: vertical and horizontal S.

    Returns:
        (N, C, H', W') in the type of `padded`, whether or not autocast is on.
    """
    channels = static_shape(padded)[1]
    weight = filt.to(padded.dtype).expand(channels, 1, -1, -1)
    with torch.autocast(padded.device.type, enabled=False):
        return F.conv2d(padded, weight, stride=stride, groups=channels)


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
    weights = _normalise(logits, groups, softmax)
    padded = padded.unflatten(1, (groups, -1))
    windows = _windows(padded, filt_size, stride)
    output = weights[:, :, 0, None] * windows[0]
    for tap in range(1, filt_size**2):
        output = output.addcmul_(weights[:, :, tap, None], windows[tap].to(weights.dtype))
    return output.flatten(1, 2).to(padded.dtype)


def _windows(padded: Tensor, filt_size: int, stride: tuple[int, int]) -> list[Tensor]:
    """For each of the K * K taps, row by row, the strided view (..., H', W') of what it meets."""
    cuts = [slice(first, first - filt_size + 1 or None) for first in range(filt_size)]
    return [padded[..., rows, columns][..., :: stride[0], :: stride[1]] for rows in cuts for columns in cuts]


def _normalise(logits: Tensor, groups: int, softmax: str) -> Tensor:
    """Softmax of (N, G * K * K, H', W') logits in at least float32, as (N, G, K * K, H', W')."""
    dtype = torch.float32 if logits.dtype in _HALF_TYPES else None
    if softmax == 'joint':
        return logits.softmax(1, dtype=dtype).unflatten(1, (groups, -1))
    return logits.unflatten(1, (groups, -1)).softmax(2, dtype=dtype)
