"""Shifts by fractions of a pixel."""

import torch
from torch import Tensor


def fourier_shift(image: Tensor, shift: tuple[float, float]) -> Tensor:
    """Move a map circularly by any number of pixels, whole or not.

    The map is read as samples of the trigonometric polynomial of least frequency that passes through them, and that
    polynomial is sampled again ``shift`` pixels away: every frequency ``f``, in cycles per pixel, is multiplied by
    ``exp(-2πi f s)``. Positive numbers move the content down and to the right, as `torch.roll`; whole pixels are
    moved by `torch.roll` itself, so nothing is computed and nothing is lost. The mean never changes.

    An even side has one frequency whose phase its samples do not tell, the Nyquist frequency 1/2 of ``+1, -1, +1, …``.
    It is multiplied by ``cos(πs)``, the only choice that is real and treats left and right alike. So half a pixel
    removes it, and two shifts make one shift by their sum except for that component; where it is absent, for odd sides
    and if one of the two is whole, they do exactly.

    This is the shift under which Michaeli et al., "Alias-Free Convnets: Fractional Shift Invariance via Polynomial
    Activations", CVPR 2023, define invariance. It is circular by nature: where the opposite borders of a photograph
    differ, a fraction of a pixel rings there.

    Args:
        image: Map with any leading dimensions.
        shift: Pixels down and right.

    Shape:
        - image: ``(..., H, W)``
        - Returns: ``(..., H, W)``

    Returns:
        The moved map, a new tensor of the image's dtype and device.

    Raises:
        ValueError: If ``image`` is not a map, ``shift`` is not finite, or the shift is a fraction and ``image`` is not
            a floating-point map.

    Example:
        >>> fourier_shift(torch.tensor([[1.0, 0.0, -1.0, 0.0]]), (0, 0.5))  # a cosine, an eighth of its period later
        tensor([[ 0.7071,  0.7071, -0.7071, -0.7071]])
    """
    if image.ndim < 2:
        raise ValueError(f'image must have shape (..., H, W), got {tuple(image.shape)}')
    if not all(-float('inf') < pixels < float('inf') for pixels in shift):
        raise ValueError(f'shift must be finite, got {shift}')
    whole = [round(pixels) for pixels in shift]
    fractions = [pixels - rounded for pixels, rounded in zip(shift, whole, strict=True)]
    moved = image.roll(whole, (-2, -1))
    if not any(fractions):
        return moved
    if not image.is_floating_point():
        raise ValueError(f'image must be floating-point to be shifted by {shift} pixels, got {image.dtype}')
    # Transforms of half precision exist on some devices only, and for some sizes.
    moved = moved.to(torch.promote_types(image.dtype, torch.float32))
    for dim, fraction in zip((-2, -1), fractions, strict=True):
        if fraction:
            moved = _shift_axis(moved, dim, fraction)
    return moved.to(image.dtype)


def _shift_axis(image: Tensor, dim: int, pixels: float) -> Tensor:
    size = image.shape[dim]
    phase = torch.exp(-2j * torch.pi * pixels * torch.fft.rfftfreq(size, dtype=torch.float64))
    if size % 2 == 0:
        # irfft ignores it on the CPU, but does not promise to do so everywhere.
        phase.imag[-1] = 0
    spectrum = torch.fft.rfft(image, dim=dim)
    return torch.fft.irfft(spectrum * phase.view(-1, *[1] * (-dim - 1)).to(spectrum), n=size, dim=dim)
