"""Which views of an image a classifier has to agree on."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from antialias_plugins.metrics.offsets import Shift, draw_batch_offsets, draw_offsets, draw_subpixel_offsets
from antialias_plugins.metrics.views import centre_part, shifted_views

LEGACY_REPEATS = 5

Protocol = Literal['per_image', 'legacy']


@dataclass(frozen=True)
class ViewPlan:
    """Which views of an image are taken; see `shift_consistency`.

    Args:
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``; from 2 to the shorter side of ``crop_size``.
        crop_size: Size of a view in pixels: its side, or its height and width. Kept as height and width.
        views: Number of views that have to agree, from 2 to ``max_shift²``.
        circular: Shift the central crop circularly instead of moving the crop over the image.
        seed: Seed of the offsets, at least 0.
        protocol: ``'per_image'``, or ``'legacy'`` for the published evaluation.
        batch_size: Number of consecutive images that share their offsets; for the legacy protocol, and only for it.
        subpixel: Offsets after the first are multiples of ``1 / subpixel`` pixels, see `draw_subpixel_offsets`; above 1
            for circular views and ``'per_image'`` only.

    Raises:
        ValueError: If an argument is outside its range.
    """

    max_shift: int = 32
    crop_size: int | tuple[int, int] = 224
    views: int = 2
    circular: bool = False
    seed: int = 0
    protocol: Protocol = 'per_image'
    batch_size: int | None = None
    subpixel: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.crop_size, int):
            object.__setattr__(self, 'crop_size', (self.crop_size, self.crop_size))
        if not 2 <= self.max_shift <= min(self.crop_size):
            raise ValueError(
                f'max_shift must be between 2 and the shorter side of crop_size {self.crop_size}, got {self.max_shift}'
            )
        if not 2 <= self.views <= self.max_shift**2:
            raise ValueError(f'views must be between 2 and max_shift² = {self.max_shift**2}, got {self.views}')
        if self.seed < 0:
            raise ValueError(f'seed must be at least 0, got {self.seed}')
        if self.protocol not in ('per_image', 'legacy'):
            raise ValueError(f"protocol must be 'per_image' or 'legacy', got {self.protocol!r}")
        if self.protocol == 'per_image' and self.batch_size is not None:
            raise ValueError(f'batch_size must be None unless the protocol is legacy, got {self.batch_size}')
        if self.protocol == 'legacy' and (self.batch_size is None or self.batch_size < 1):
            raise ValueError(f'batch_size must be at least 1 for the legacy protocol, got {self.batch_size}')
        if self.subpixel < 1:
            raise ValueError(f'subpixel must be at least 1, got {self.subpixel}')
        if self.subpixel > 1 and not (self.circular and self.protocol == 'per_image'):
            raise ValueError(
                f"subpixel must be 1 unless circular is True and protocol is 'per_image', got {self.subpixel} with "
                f'circular {self.circular} and protocol {self.protocol!r}'
            )

    def __str__(self) -> str:
        crop, frame = ('×'.join(map(str, size)) for size in (self.crop_size, self.frame_size))
        source = 'shifted circularly' if self.circular else f'from {frame}'
        shared = f'shared by {self.batch_size} images, {self.repeats} repeats, ' if self.protocol == 'legacy' else ''
        steps = f'in steps of 1/{self.subpixel} pixel, ' if self.subpixel > 1 else ''
        return f'{self.views} crops of {crop} {source}, {steps}{shared}seed {self.seed}'

    @property
    def repeats(self) -> int:
        """How often ``views`` views are taken of every image."""
        return LEGACY_REPEATS if self.protocol == 'legacy' else 1

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the image's centre in which all views lie."""
        margin = 0 if self.circular else self.max_shift
        return self.crop_size[0] + margin, self.crop_size[1] + margin

    def offsets(self, index: int) -> list[Shift]:
        """Return the offsets of all views of image number ``index``, those of one repeat after the other."""
        if self.subpixel > 1:
            return list(draw_subpixel_offsets(self.seed, index, self.max_shift, self.views, self.subpixel))
        if self.protocol == 'per_image':
            return list(draw_offsets(self.seed, index, self.max_shift, self.views))
        batch = index // self.batch_size
        repeats = [
            draw_batch_offsets(self.seed, repeat, batch, self.max_shift, self.views) for repeat in range(self.repeats)
        ]
        return [offset for repeat in repeats for offset in repeat]

    def cut(self, index: int, image: Tensor) -> Tensor:
        """Return all views of an image.

        Args:
            index: The image's index in its data set.
            image: The image, ``(C, H, W)``.

        Returns:
            The views, ``(repeats * views, C, *crop_size)``, a new tensor of the image's dtype and device.

        Raises:
            ValueError: If the image is smaller than `frame_size`.
        """
        frame = centre_part(image, self.frame_size)
        return shifted_views(frame, self.offsets(index), self.max_shift, circular=self.circular)
