"""Fixed low-pass downsampling. Shapes: N batch, C channels, H W sides, K taps per axis, S stride."""

import torch
from torch import Tensor

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import (
    PADDING_MODES,
    check_choice,
    check_count,
    check_map,
    check_pair,
    described,
    one_or_many,
)
from antialias_plugins.kernels import static_shape


def binomial_filter(filt_size: int, device: torch.device | str = 'cpu') -> Tensor:
    """Outer product of the binomial coefficients of order K - 1, K at least 1, divided by its sum: (K, K) in float32.

    Example:
        >>> binomial_filter(3) * 16
        tensor([[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]])
    """
    return kernels.binomial_filter(check_count('filt_size', filt_size), torch.device(device)).clone()


@one_or_many()
def blur_pool2d(
    input: Tensor,
    filt_size: int = 4,
    stride: int | tuple[int, int] = 2,
    padding_mode: str = 'reflect',
    *,
    filt: Tensor | None = None,
    backend: str | None = None,
) -> Tensor:
    """Low-pass every channel with a binomial filter and keep every S-th position.

    From `Making Convolutional Networks Shift-Invariant Again <https://arxiv.org/abs/1904.11486>`_ (Zhang, 2019).

    Output i is the weighted mean of inputs ``S i - floor((K - 1) / 2)`` to ``S i + ceil((K - 1) / 2)``: an odd K is
    centred on input ``S i``, an even K on ``S i + 1/2``. For K = 4, S = 2 and the ramp 0, 1, ..., 7 output 1 is
    ``(1 * 1 + 3 * 2 + 3 * 3 + 1 * 4) / 8 = 2.5``, where K = 3 gives 2. The half pixel is the published convention: on
    an even side, outputs at 0.5, 2.5, 4.5, 6.5 lie symmetrically in it, and published weights expect them there.
    timm's layer of the same name pads both sides alike, so its output for an even K is one larger when the side is even
    (5 for a side of 8 here 4). Proved by `test_even_filter_shifts_the_grid_by_half_a_pixel`.

    Args:
        input: floating-point map (N, C, H, W) or (C, H, W); empty batches and maps smaller than the filter are fine.
        filt_size: K, at least 1. K = 1 is plain subsampling.
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        padding_mode: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``. All but ``'zeros'`` keep a constant
            map constant. A map too small for reflection is replicated.
        filt: the taps `binomial_filter` gives for K, if they are at hand; by default they are computed.
        backend: ``'eager'`` for the reference in PyTorch's operators, ``'triton'`` for the kernel, ``'auto'`` for the
            quickest; by default `antialias_plugins.kernels.use_backend` decides.

    Returns:
        (N, C, ceil(H / S), ceil(W / S)), contiguous in the memory format of `input`, in its type.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> blur_pool2d(torch.arange(8.0).expand(1, 1, 8, 8))[0, 0, 1]
        tensor([0.7500, 2.5000, 4.5000, 6.2500])
    """
    check_map(input)
    check_count('filt_size', filt_size)
    stride = check_pair('stride', stride)
    check_choice('padding_mode', padding_mode, PADDING_MODES)
    filt = check_filter(filt, filt_size)
    return kernels.blur_pool2d(input, filt, stride, padding_mode, backend)


def check_filter(filt: Tensor | None, filt_size: int) -> Tensor | int:
    """Return the (K, K) taps at hand or, if there are none, their K; raise if their size is wrong."""
    if filt is None:
        return filt_size
    is_real = isinstance(filt, Tensor) and filt.is_floating_point()
    if not is_real or static_shape(filt) != (filt_size, filt_size):
        raise ValueError(f'filt must have shape ({filt_size}, {filt_size}) of filt_size, got {described(filt)}')
    return filt
