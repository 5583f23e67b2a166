"""The way that a window takes over an image."""

from collections.abc import Mapping
from types import MappingProxyType

from antialias_plugins.metrics.offsets import Offset

DIRECTIONS: Mapping[str, Offset] = MappingProxyType({'diagonal': (1, 1), 'horizontal': (0, 1), 'vertical': (1, 0)})
"""Rows and columns of one step, by name."""


def shift_path(direction: str, max_shift: int) -> tuple[Offset, ...]:
    """Return the offsets of a window that moves pixel by pixel.

    Args:
        direction: One of `DIRECTIONS`.
        max_shift: Number of steps, at least 1.

    Returns:
        ``max_shift + 1`` pairs ``(down, right)``, in pixels, from (0, 0) on.

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> shift_path('horizontal', 2)
        ((0, 0), (0, 1), (0, 2))
    """
    if direction not in DIRECTIONS:
        raise ValueError(f'direction must be one of {", ".join(DIRECTIONS)}, got {direction!r}')
    if max_shift < 1:
        raise ValueError(f'max_shift must be at least 1, got {max_shift}')
    down, right = DIRECTIONS[direction]
    return tuple((step * down, step * right) for step in range(max_shift + 1))
