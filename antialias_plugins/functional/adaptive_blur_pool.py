"""Content-aware low-pass downsampling. Shapes: N batch, C channels, H W sides, K taps per axis, S stride, G groups."""

import math

from torch import Tensor

from antialias_plugins import kernels
from antialias_plugins.functional import arguments
from antialias_plugins.kernels import static_shape
from antialias_plugins.kernels.maps import as_input


@arguments.one_or_many('logits')
def adaptive_blur_pool2d(
    input: Tensor,
    logits: Tensor,
    stride: int | tuple[int, int] = 2,
    groups: int = 8,
    padding_mode: str = 'reflect',
    softmax: str = 'group',
    *,
    backend: str | None = None,
) -> Tensor:
    """Low-pass every position and channel group with taps of its own and keep every S-th position.

    From `Delving Deeper into Anti-aliasing in ConvNets <https://arxiv.org/abs/2008.09604>`_ (Zou et al., 2020)::

        w = softmax(logits)
        output[n, c, p] = sum over taps t of w[n, g(c), t, p] * padded[n, c, S p + t]

    Group g holds the channels ``g C / G`` to ``(g + 1) C / G - 1``. Softmax and sum are in float32 for half types.

    Args:
        input: floating-point map (N, C, H, W) or (C, H, W); C must be a multiple of `groups`.
        logits: (N, G * K * K, ceil(H / S), ceil(W / S)), channel ``g K K + tap`` with the taps row by row; K is odd.
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        groups: G.
        padding_mode: as in `blur_pool2d`.
        softmax: ``'group'``, the paper's: the taps of each group sum to 1, so a constant map stays constant.
            ``'joint'``, what the authors' code and weights use: the taps of all groups together sum to 1.
        backend: as in `blur_pool2d`.

    Returns:
        (N, C, ceil(H / S), ceil(W / S)), contiguous in the memory format of `input`, in its type.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> import torch
        >>> adaptive_blur_pool2d(torch.arange(4.0).expand(1, 1, 4, 4), torch.zeros(1, 9, 2, 2), groups=1)[0, 0, 0]
        tensor([0.6667, 2.0000])
    """
    arguments.check_map(input)
    stride = arguments.check_pair('stride', stride)
    arguments.check_choice('padding_mode', padding_mode, arguments.PADDING_MODES)
    arguments.check_choice('softmax', softmax, arguments.SOFTMAXES)
    filt_size = _filt_size(input, logits, stride, groups)
    padded = kernels.pad2d(input, filt_size, padding_mode, channels_last=True, backend=backend)
    output = kernels.adaptive_blur_pool2d(padded, logits, filt_size, stride, groups, softmax, backend)
    return as_input(output, input)


def _filt_size(input: Tensor, logits: Tensor, stride: tuple[int, int], groups: int) -> int:
    """K, from logits that fit the map, the stride and the groups."""
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        raise ValueError(f'logits must be a floating-point tensor, got {arguments.described(logits)}')
    batch, channels, *sides = static_shape(input)
    kept = [-(-side // step) for side, step in zip(sides, stride, strict=True)]
    shape = static_shape(logits)
    filt_size = math.isqrt(shape[1] // arguments.check_groups(channels, groups)) if len(shape) == 4 else 0
    if shape != (batch, groups * filt_size**2, *kept):
        raise ValueError(
            f'logits must have shape ({batch}, {groups} * K * K, {kept[0]}, {kept[1]}) for this input, got {shape}'
        )
    return arguments.check_odd('K of logits', filt_size)
