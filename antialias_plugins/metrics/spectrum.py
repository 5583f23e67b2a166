"""What frequencies maps hold.

Letters: maps ``N``, channels ``C``, sides ``H W``, rings of frequency ``F``.
"""

from typing import Literal

import torch
from torch import Tensor

Window = Literal['hann'] | None


def power_spectrum(maps: Tensor, window: Window = None) -> Tensor:
    """Return the energy of maps at every frequency, summed over channels.

    The energy is the squared magnitude of the orthonormal 2-D DFT, so its sum is the sum of the squared pixels
    (Parseval), after the window if there is one.

    Args:
        maps: Real maps, in at least one channel.
        window: ``None`` takes a map as one period of a circular signal, so that the jump between its opposite borders
            counts as a part of it, with energy at all frequencies. ``'hann'`` fades the map out towards its borders:
            no jump, but the centre counts more, and a frequency spreads over its direct neighbours.

    Shape:
        - maps: ``(N, C, H, W)``
        - Returns: ``(N, H, W)``, float64; frequency ``(k, l)`` is ``k / H`` and ``l / W`` cycles per pixel, in the
          order of `torch.fft.fftfreq`

    Raises:
        ValueError: If ``maps`` has not this shape, or there is no such window.

    Example:
        >>> stripes = torch.tensor([1.0, -1.0]).expand(1, 1, 4, 2).repeat(1, 1, 1, 2)
        >>> power_spectrum(stripes)[0, 0]  # of the rows' sum: all at half a cycle per pixel
        tensor([ 0.,  0., 16.,  0.], dtype=torch.float64)
    """
    if maps.ndim != 4:
        raise ValueError(f'maps must have shape (N, C, H, W), got {tuple(maps.shape)}')
    if window not in (None, 'hann'):
        raise ValueError(f"window must be None or 'hann', got {window!r}")
    maps = maps.double()
    if window == 'hann':
        rows, columns = (torch.hann_window(side, dtype=maps.dtype, device=maps.device) for side in maps.shape[2:])
        maps = maps * rows[:, None] * columns
    return torch.fft.fft2(maps, norm='ortho').abs().square().sum(1)


def aliased_share(power: Tensor, stride: tuple[int, int]) -> Tensor:
    """Return the share of the energy that lies above the Nyquist frequency of the map that subsampling leaves.

    Taking every S-th pixel along an axis leaves the frequencies up to ``1 / (2 S)`` cycles per pixel of that axis.
    Two axes leave a square, or a rectangle; all that lies outside of it, the corners of the spectrum included, comes
    back as another frequency. The frequency ``1 / (2 S)`` itself counts as left. The mean of the map counts as energy,
    too: the share is the squared error, relative to the map, that an ideal low-pass filter would spare.

    Args:
        power: Energies as `power_spectrum` returns them.
        stride: S along the vertical and the horizontal axis.

    Shape:
        - power: ``(N, H, W)``
        - Returns: ``(N,)``, in [0, 1]; 0 for a map of zeros, NaN where a map is not finite

    Example:
        >>> y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing='ij')
        >>> checkerboard = 1.0 - 2 * ((y + x) % 2)
        >>> maps = torch.stack([checkerboard, 1 + checkerboard, torch.ones(8, 8)])[:, None]
        >>> aliased_share(power_spectrum(maps), (2, 2))
        tensor([1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    rows, columns = (2 * step * _waves(side, power) > side for side, step in zip(power.shape[1:], stride, strict=True))
    above = power[:, rows[:, None] | columns].sum(1)
    total = power.sum((1, 2))
    return torch.where(total == 0, total, above / total)


def radial_average(power: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean energy in rings around frequency 0, relative to the mean over all frequencies.

    A ring is ``1 / min(H, W)`` cycles per pixel wide. The rings end at 0.5 cycles per pixel: what lies in the corners
    beyond is in `aliased_share`, not here. White noise is 1 everywhere, whatever its size and scale.

    Args:
        power: Energies as `power_spectrum` returns them.

    Shape:
        - power: ``(N, H, W)``
        - Returns: ``(F,)`` and ``(N, F)``, with ``F = min(H, W) // 2 + 1``; NaN where a map is all zeros

    Returns:
        The frequencies in the middle of the rings, in cycles per pixel, and the energies.
    """
    count = min(power.shape[1:])
    rows, columns = (_waves(side, power).double() / side for side in power.shape[1:])
    ring = (torch.hypot(rows[:, None], columns) * count).round().long().flatten()
    sizes = torch.bincount(ring)
    sums = torch.zeros(len(power), len(sizes), dtype=power.dtype, device=power.device)
    sums.index_add_(1, ring, power.flatten(1))
    averages = sums / sizes / power.mean((1, 2))[:, None]
    kept = count // 2 + 1
    return torch.arange(kept, dtype=power.dtype) / count, averages[:, :kept]


def _waves(side: int, power: Tensor) -> Tensor:
    """Periods per side of every frequency along an axis, without their sign."""
    waves = torch.arange(side, device=power.device)
    return torch.minimum(waves, side - waves)
