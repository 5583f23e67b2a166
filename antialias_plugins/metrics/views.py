"""Views of one image that differ by a shift."""

from collections.abc import Sequence

import torch
from torch import Tensor

from antialias_plugins.metrics.fourier import fourier_shift
from antialias_plugins.metrics.offsets import Shift


def shifted_views(image: Tensor, offsets: Sequence[Shift], max_shift: int, *, circular: bool = False) -> Tensor:
    """Cut one view of ``image`` per offset.

    Pixel ``(0, 0)`` of the view at offset ``(y, x)`` is pixel ``(y, x)`` of the image. A view is a crop of size
    ``(H - max_shift, W - max_shift)``, as in the usual 224-of-256 protocol with ``max_shift=32``; a circular view has
    the image's own size and wraps around, and may begin between two pixels (`fourier_shift`).

    Args:
        image: One image; floating-point if an offset is not whole.
        offsets: ``K`` pairs ``(down, right)``, each from 0 to ``max_shift``; whole numbers unless ``circular``.
        max_shift: How much smaller than the image a crop is, in pixels.
        circular: Wrap around instead of cropping.

    Shape:
        - image: ``(C, H, W)``
        - Returns: ``(K, C, H - max_shift, W - max_shift)``, or ``(K, C, H, W)`` if ``circular``

    Returns:
        The views, a new tensor of the image's dtype and device.

    Raises:
        ValueError: If ``image`` is not a map with channels, or is too small for ``max_shift``: two crops are sure to
            overlap only if no side of the image is shorter than ``2 * max_shift``, two circular views are sure to
            differ only if none is shorter than ``max_shift``. If an offset is a fraction and the view is a crop, or
            the image is not floating-point.
    """
    if image.ndim != 3:
        raise ValueError(f'image must have shape (C, H, W), got {tuple(image.shape)}')
    height, width = image.shape[-2:]
    limit = min(height, width) if circular else min(height, width) // 2
    if max_shift > limit:
        part = 'the' if circular else 'half the'
        raise ValueError(
            f'max_shift must not exceed {part} shorter side of the image, got {max_shift} for an image of '
            f'{height}x{width} (at most {limit})'
        )
    if circular:
        return torch.stack([fourier_shift(image, (-y, -x)) for y, x in offsets])
    if any(side != int(side) for offset in offsets for side in offset):
        raise ValueError(f'offsets must be whole pixels unless the views are circular, got {list(offsets)}')
    rows, columns = height - max_shift, width - max_shift
    corners = [(int(y), int(x)) for y, x in offsets]
    return torch.stack([image[:, y : y + rows, x : x + columns] for y, x in corners])


def centre_part(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the centre of ``image``; where the margin is odd, its larger half is below and to the right.

    Args:
        image: One image.
        size: Height and width of the part.

    Shape:
        - image: ``(C, H, W)``
        - Returns: ``(C, *size)``, a view of ``image``

    Raises:
        ValueError: If ``image`` is not a map with channels, or is smaller than ``size``.
    """
    if image.ndim != 3:
        raise ValueError(f'image must have shape (C, H, W), got {tuple(image.shape)}')
    (height, width), (rows, columns) = image.shape[-2:], size
    if height < rows or width < columns:
        raise ValueError(f'image must be at least {rows}x{columns}, got {height}x{width}')
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[:, top : top + rows, left : left + columns]
