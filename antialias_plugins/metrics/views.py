"""Views of one image that differ by a shift."""

from collections.abc import Sequence

import torch
from torch import Tensor

from antialias_plugins.metrics.offsets import Offset


def shifted_views(image: Tensor, offsets: Sequence[Offset], max_shift: int, *, circular: bool = False) -> Tensor:
    """Cut one view of ``image`` per offset.

    Pixel ``(0, 0)`` of the view at offset ``(y, x)`` is pixel ``(y, x)`` of the image. A view is a crop of size
    ``(H - max_shift, W - max_shift)``, as in the usual 224-of-256 protocol with ``max_shift=32``; a circular view has
    the image's own size and wraps around.

    Args:
        image: One image.
        offsets: ``K`` pairs ``(down, right)``, each in ``{0, …, max_shift}²``.
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
            differ only if none is shorter than ``max_shift``.
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
        return torch.stack([image.roll((-y, -x), dims=(-2, -1)) for y, x in offsets])
    rows, columns = height - max_shift, width - max_shift
    return torch.stack([image[:, y : y + rows, x : x + columns] for y, x in offsets])


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
