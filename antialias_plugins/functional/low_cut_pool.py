"""Ideal low-pass downsampling. Shapes: N batch, C channels, H W sides, S stride, M kept positions of an axis."""

import math

import torch
from torch import Tensor

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import check_choice, check_map, check_pair, one_or_many
from antialias_plugins.kernels.maps import HALF_TYPES, as_input, constant, widest_type

WINDOWS = ('rectangular', 'hamming')


@one_or_many()
def low_cut_pool2d(input: Tensor, stride: int | tuple[int, int] = 2, window: str = 'rectangular') -> Tensor:
    """Remove every frequency that S-fold subsampling cannot represent, and keep every S-th position.

    From `FrequencyLowCut Pooling <https://arxiv.org/abs/2204.00491>`_ (Grabinski et al., 2022), and with
    ``window='hamming'`` from `Fix your downsampling ASAP! <https://arxiv.org/abs/2307.09804>`_ (Grabinski et al.,
    2023), which fades the kept band out, so that edges ring less.

    The map is taken as one period of a circular signal. A wave of k periods per side H is kept if ``2 S k < H``, so
    nothing is left at or above the new Nyquist frequency: the output of a circularly shifted map is the band-limited
    shift of the output, also between pixels. Any side will do, where the published code moves the mean of sides like 14
    into another frequency. It also keeps half of the new Nyquist frequency itself, which does not shift with the map;
    on maps without it both agree. Proved by `test_agrees_with_the_published_formula`.

    Each axis is one small matrix product rather than a Fourier transform, which takes half types, compilers, exporters
    and every side alike; the backward pass keeps nothing of the input.

    Args:
        input: floating-point map (N, C, H, W) or (C, H, W).
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        window: weights of the kept waves, ``'rectangular'`` or ``'hamming'`` (the square root of a Hamming window over
            the H / S kept frequencies, from about 1 at the mean to about 0.3 at the end of the band).

    Returns:
        (N, C, ceil(H / S), ceil(W / S)), contiguous in the memory format of `input`, in its type.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> wave = torch.cos(torch.arange(8) * torch.pi / 4)  # one period per side: kept
        >>> flicker = torch.cos(torch.arange(8) * torch.pi)  # four periods: gone
        >>> low_cut_pool2d((wave + flicker).expand(1, 1, 8, 8))[0, 0, 0].round(decimals=4) + 0
        tensor([ 1.,  0., -1.,  0.])
    """
    check_map(input)
    stride = check_pair('stride', stride)
    check_choice('window', window, WINDOWS)
    dtype = torch.float32 if input.dtype in HALF_TYPES else input.dtype
    matrix = _recorded_matrix if kernels.is_transformed() else _matrix
    rows, columns = (
        matrix(side, step, window, dtype, input.device) for side, step in zip(input.shape[2:], stride, strict=True)
    )
    return as_input(kernels.separable_map2d(input, rows, columns), input)


def low_cut_matrix(side: int, stride: int, window: str, device: torch.device | str = 'cpu') -> Tensor:
    """Return the map of one axis: row m holds the weights of all positions in the output at position S m.

    It is (M, H) in float64, or in float32 on a device that may not have it, with M = ceil(H / S).

    Example:
        >>> low_cut_matrix(4, 2, 'rectangular')  # only the mean is left
        tensor([[0.2500, 0.2500, 0.2500, 0.2500],
                [0.2500, 0.2500, 0.2500, 0.2500]], dtype=torch.float64)
    """
    dtype = widest_type(torch.device(device))
    positions, waves = torch.arange(side, device=device), torch.arange((side + 1) // 2, device=device)
    length = positions[-1] + 1  # the side as a tensor, since not every exporter computes with a size
    gain = torch.where(2 * stride * waves < length, 1.0, 0.0).to(dtype)  # beyond the waves, a real signal only repeats
    if window == 'hamming':
        gain = gain * (0.54 + 0.46 * torch.cos(2 * math.pi * stride * waves.to(dtype) / length)).sqrt()
    gain = torch.where(waves == 0, gain, 2 * gain) / length
    # Whole turns are taken off as integers: the angle keeps its digits on any side.
    turns = (positions[:, None] * waves).remainder(length).to(dtype) / length
    response = (torch.cos(2 * math.pi * turns) * gain).sum(1)
    return response[(positions[::stride, None] - positions).remainder(length)]


@constant
def _matrix(side: int, stride: int, window: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The map of one axis in the type of the product, from float64."""
    return low_cut_matrix(side, stride, window).to(device, dtype)


def _recorded_matrix(side: int, stride: int, window: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The same in a program that holds for maps of any side: it is computed where it is used."""
    return low_cut_matrix(side, stride, window, device).to(dtype)
