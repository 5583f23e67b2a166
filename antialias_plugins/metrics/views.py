"""Views of one image that differ by a shift, and what two of them share."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.metrics.inputs import as_corner, as_pair, as_tensor, check_least, check_shape

Offset = tuple[int, int]
Shift = tuple[float, float]
Spans = list[tuple[int, int]]


def shifted_views(image: Tensor, offsets: Sequence[Shift], max_shift: int, *, circular: bool = False) -> Tensor:
    """Cut one view of ``image`` per offset.

    Pixel ``(0, 0)`` of the view at offset ``(y, x)`` is pixel ``(y, x)`` of the image. A view is a crop of size
    ``(H - max_shift, W - max_shift)``, as in the usual 224-of-256 protocol with ``max_shift=32``; a circular view has
    the image's own size and wraps around, and may begin between two pixels (`fourier_shift`).

    Args:
        image: One image, ``(C, H, W)``; floating-point if an offset is not whole.
        offsets: ``K`` pairs ``(down, right)``, each from 0 to ``max_shift``; whole numbers unless ``circular``.
        max_shift: How much smaller than the image a crop is, in pixels.
        circular: Wrap around instead of cropping.

    Returns:
        The views, a new tensor of the image's dtype and device, ``(K, C, H - max_shift, W - max_shift)``, or
        ``(K, C, H, W)`` if ``circular``.

    Raises:
        ValueError: If ``image`` is not a map with channels, or is too small for ``max_shift``: two crops are sure to
            overlap only if no side of the image is shorter than ``2 * max_shift``, two circular views are sure to
            differ only if none is shorter than ``max_shift``. If an offset is a fraction or out of range and the view
            is a crop, or an offset is a fraction and the image is not floating-point.
    """
    image = as_image(image)
    check_least(max_shift=(max_shift, 0))
    check_flag('circular', circular)
    if not isinstance(offsets, Iterable) or (isinstance(offsets, Tensor) and offsets.ndim != 2):
        raise ValueError(f'offsets must hold pairs of numbers, got {offsets!r:.200}')
    offsets = [_as_shift('offsets', offset) for offset in offsets]
    if not offsets:
        raise ValueError('offsets must hold at least one pair, got none')
    check_room(image, max_shift, circular)
    height, width = image.shape[-2:]
    if circular:
        return torch.stack([fourier_shift(image, (-y, -x)) for y, x in offsets])
    if any(side != int(side) for offset in offsets for side in offset):
        raise ValueError(f'offsets must be whole pixels unless the views are circular, got {offsets}')
    if not all(0 <= side <= max_shift for offset in offsets for side in offset):
        raise ValueError(
            f'offsets must be from 0 to max_shift {max_shift} unless the views are circular, got {offsets}'
        )
    rows, columns = height - max_shift, width - max_shift
    corners = [(int(y), int(x)) for y, x in offsets]
    return torch.stack([image[:, y : y + rows, x : x + columns] for y, x in corners])


def check_room(image: Tensor, max_shift: int, circular: bool) -> None:
    """Raise if an image is too small for shifts below ``max_shift``, see `shifted_views`."""
    height, width = as_image(image).shape[-2:]
    limit = min(height, width) if circular else min(height, width) // 2
    if max_shift > limit:
        part = 'the' if circular else 'half the'
        raise ValueError(
            f'max_shift must not exceed {part} shorter side of the image, got {max_shift} for an image of '
            f'{height}x{width} (at most {limit})'
        )


def as_image(image: Tensor) -> Tensor:
    """Return an image as a tensor; raise unless it has shape ``(C, H, W)``, none of them 0."""
    image = as_tensor('image', image)
    check_shape('image', image, '(C, H, W)')
    return image


def centre_part(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the centre of ``image``, ``(C, H, W)``, as a view; of an odd margin more is below and to the right."""
    image = as_image(image)
    (height, width), (rows, columns) = image.shape[-2:], size
    if height < rows or width < columns:
        raise ValueError(f'image must be at least {rows}x{columns}, got {height}x{width}')
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[:, top : top + rows, left : left + columns]


def overlap(size: tuple[int, ...], offset_a: Offset, offset_b: Offset) -> Spans:
    """Return start and stop of the rows, then of the columns, that two crops share, in the image's coordinates."""
    size, offset_a, offset_b = as_corner('size', size), as_corner('offset_a', offset_a), as_corner('offset_b', offset_b)
    spans = [(max(a, b), min(a, b) + side) for a, b, side in zip(offset_a, offset_b, size, strict=True)]
    if any(start >= stop for start, stop in spans):
        raise ValueError(f'offset_a and offset_b must let crops of size {size} overlap, got {offset_a} and {offset_b}')
    return spans


def part_at(crop: Tensor, spans: Spans, offset: Offset = (0, 0)) -> Tensor:
    """Cut what ``spans`` hold, in the image's coordinates, from the crop at ``offset``, ``(…, h, w)``."""
    rows, columns = (slice(start - shift, stop - shift) for (start, stop), shift in zip(spans, offset, strict=True))
    return crop[..., rows, columns]


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
        image: Map with any leading dimensions, ``(..., H, W)``.
        shift: Pixels down and right.

    Returns:
        The moved map, a new tensor of the image's dtype and device, ``(..., H, W)``.

    Raises:
        ValueError: If ``image`` is not a map, ``shift`` is not finite, or the shift is a fraction and ``image`` is not
            a floating-point map.

    Example:
        >>> fourier_shift(torch.tensor([[1.0, 0.0, -1.0, 0.0]]), (0, 0.5))  # a cosine, an eighth of its period later
        tensor([[ 0.7071,  0.7071, -0.7071, -0.7071]])
    """
    image, shift = as_tensor('image', image), _as_shift('shift', shift)
    check_shape('image', image, '(..., H, W)')
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
    phase = torch.exp(-2j * torch.pi * pixels * torch.fft.rfftfreq(size, dtype=torch.float64, device='cpu'))
    if size % 2 == 0:
        # irfft ignores it on the CPU, but does not promise to do so everywhere.
        phase.imag[-1] = 0
    spectrum = torch.fft.rfft(image, dim=dim)
    return torch.fft.irfft(
        spectrum * phase.view(-1, *[1] * (-dim - 1)).to(spectrum.dtype).to(spectrum.device), n=size, dim=dim
    )


def _as_shift(name: str, shift: Shift) -> Shift:
    """Return a pair of finite numbers, down and right."""
    return as_pair(name, shift, 'finite numbers, pixels down and right', lambda pixels: True)
