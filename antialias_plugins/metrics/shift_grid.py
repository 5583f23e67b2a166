"""All shifts of a grid, for the worst case among them."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from antialias_plugins.metrics.offsets import Shift
from antialias_plugins.metrics.views import centre_part, shifted_views


@dataclass(frozen=True)
class ShiftGrid:
    """The shifts ``{0, step, 2 · step, …}²`` below ``max_shift``, in pixels, with ``step = stride / subpixel``.

    Args:
        max_shift: All offsets are below it, in pixels, at least 1.
        stride: Step of the grid, in units of ``1 / subpixel`` pixels; small enough that there are at least two steps.
        crop_size: Size of a view in pixels: its side, or its height and width, cut from the image's centre; by default
            as large as the image allows.
        circular: Shift circularly instead of moving a crop over the image.
        subpixel: How many parts a pixel has; above 1 for circular shifts of floating-point images only.

    Raises:
        ValueError: If an argument is outside its range.

    Example:
        >>> ShiftGrid(max_shift=3, stride=2).offsets
        ((0, 0), (0, 2), (2, 0), (2, 2))
        >>> len(ShiftGrid(max_shift=1, circular=True, subpixel=4).offsets)
        16
    """

    max_shift: int = 8
    stride: int = 1
    crop_size: int | tuple[int, int] | None = None
    circular: bool = False
    subpixel: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.crop_size, int):
            object.__setattr__(self, 'crop_size', (self.crop_size, self.crop_size))
        if self.max_shift < 1:
            raise ValueError(f'max_shift must be at least 1, got {self.max_shift}')
        if self.subpixel < 1 or (self.subpixel > 1 and not self.circular):
            raise ValueError(f'subpixel must be 1, or above 1 and circular True, got {self.subpixel}, {self.circular}')
        if not 1 <= self.stride < self.max_shift * self.subpixel:
            raise ValueError(
                f'stride must be from 1 to max_shift · subpixel - 1 = {self.max_shift * self.subpixel - 1}, so that '
                f'there is a shift, got {self.stride}'
            )
        if self.crop_size is not None and min(self.crop_size) < self.max_shift:
            raise ValueError(
                f'crop_size must not be below max_shift {self.max_shift}, so that all crops overlap, '
                f'got {self.crop_size}'
            )

    @property
    def offsets(self) -> tuple[Shift, ...]:
        """All offsets, row by row; the first is (0, 0)."""
        steps = range(0, self.max_shift * self.subpixel, self.stride)
        sides = [step // self.subpixel if step % self.subpixel == 0 else step / self.subpixel for step in steps]
        return tuple((down, right) for down in sides for right in sides)

    def batches(self, image: Tensor, batch_size: int) -> Iterator[tuple[tuple[Shift, ...], Tensor]]:
        """Cut the views of an image, no more than ``batch_size`` at a time.

        Args:
            image: The image, ``(C, H, W)``.
            batch_size: Largest number of views in memory.

        Yields:
            Offsets, and the views at them, ``(B, C, h, w)``.

        Raises:
            ValueError: If the image is too small.
        """
        if self.crop_size is not None:
            margin = 0 if self.circular else self.max_shift
            image = centre_part(image, tuple(side + margin for side in self.crop_size))
        offsets = self.offsets
        for start in range(0, len(offsets), batch_size):
            part = offsets[start : start + batch_size]
            yield part, shifted_views(image, part, self.max_shift, circular=self.circular)


def check_batch_size(batch_size: int) -> None:
    """Raise unless a batch holds at least one view."""
    if batch_size < 1:
        raise ValueError(f'batch_size must be at least 1, got {batch_size}')
