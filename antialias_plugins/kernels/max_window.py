"""Where a maximum looks."""

from typing import NamedTuple


class MaxWindow(NamedTuple):
    """A window of a maximum at stride 1, each entry ``(vertical, horizontal)``.

    Attributes:
        kernel_size: number of values the window looks at.
        padding: minus infinities before and after the map.
        dilation: spacing of the values.
        overhang: further minus infinities after the map, if there may be any.
    """

    kernel_size: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    overhang: tuple[int, int] | None = None

    def side(self, axis: int, size: int) -> int:
        """Number of windows along the vertical (0) or horizontal (1) axis of `size` values."""
        overhang = self.overhang[axis] if self.overhang else 0
        return size + 2 * self.padding[axis] + overhang - self.dilation[axis] * (self.kernel_size[axis] - 1)
