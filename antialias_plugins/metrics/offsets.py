"""Offsets of the views of an image: random draws, and the plan or the grid of a whole evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from torch import Tensor

from antialias_plugins.functional.arguments import check_choice, check_flag, check_pair
from antialias_plugins.metrics.inputs import as_integer, check_least
from antialias_plugins.metrics.views import Offset, Shift, centre_part, check_room, shifted_views

Protocol = Literal['per_image', 'legacy']


def draw_offsets(seed: int, index: int, max_shift: int, count: int = 2) -> tuple[Offset, ...]:
    """Draw ``count`` different offsets for one image.

    They depend on ``seed`` and ``index`` alone, so batch size, number of workers, rank and the other images do not
    matter. Each offset is uniform on ``{0, …, max_shift - 1}²``, and no two of an image are equal: they are drawn
    without replacement. Only `numpy.random.SeedSequence` is used, whose output is fixed for every platform and
    every version of numpy; that does not hold for numpy's distributions or torch's generators.

    Args:
        seed: Seed of the whole evaluation, at least 0.
        index: Index of the image in its data set, at least 0.
        max_shift: Number of values that either coordinate can take, in pixels, at least 1.
        count: Number of offsets, from 1 to ``max_shift²``.

    Returns:
        ``count`` pairs ``(down, right)``, in pixels.

    Raises:
        ValueError: If an argument is outside its range.

    Example:
        >>> draw_offsets(seed=0, index=7, max_shift=32) == draw_offsets(seed=0, index=7, max_shift=32)
        True
        >>> sorted(draw_offsets(seed=0, index=7, max_shift=2, count=4))
        [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    return tuple((int(y), int(x)) for y, x in draw_subpixel_offsets(seed, index, max_shift, count, subpixel=1))


def draw_subpixel_offsets(
    seed: int, index: int, max_shift: int, count: int = 2, subpixel: int = 2
) -> tuple[Shift, ...]:
    """Draw ``count`` different offsets for one image, the first of whole pixels, the others of fractions too.

    As `draw_offsets`, and the same for ``subpixel=1``. The first view then holds the image's own pixels, against which
    the interpolated ones are compared, and the distance between the first and any other is uniform over the fractions.
    With the arguments of `draw_offsets`, all offsets after the first are multiples of ``1 / subpixel`` pixels, at least
    1, and below ``max_shift``.

    Example:
        >>> first, second = draw_subpixel_offsets(seed=0, index=7, max_shift=32, subpixel=4)
        >>> [side.is_integer() for side in first], [(4 * side).is_integer() for side in second]
        ([True, True], [True, True])
    """
    check_least(seed=(seed, 0), index=(index, 0), max_shift=(max_shift, 1), subpixel=(subpixel, 1), count=(count, 1))
    if count > max_shift**2:
        raise ValueError(
            f'count must be between 1 and max_shift² = {max_shift**2}, so that all offsets can differ, got {count}'
        )
    # A 64-bit word modulo the number of cells is uniform to within cells / 2⁶⁴.
    first, *others = (int(w) for w in np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(count, np.uint64))
    down, right = divmod(first % max_shift**2, max_shift)
    side = max_shift * subpixel
    drawn = [(down * side + right) * subpixel]
    for word in others:  # the place among the cells that are left, then among all
        cell = word % (side**2 - len(drawn))
        for taken in sorted(drawn):
            cell += cell >= taken
        drawn.append(cell)
    return tuple((cell // side / subpixel, cell % side / subpixel) for cell in drawn)


def draw_batch_offsets(seed: int, repeat: int, batch: int, max_shift: int, count: int = 2) -> tuple[Offset, ...]:
    """Draw ``count`` offsets that a whole batch of images shares, as the published evaluation does.

    They are independent, so two of them may be equal. The published program draws them from numpy's global generator,
    which it never seeds: its numbers can be reproduced up to that choice only. Here ``seed`` decides.

    Args:
        seed: As for `draw_offsets`.
        repeat: Number of the pass over the images, from 0.
        batch: Number of the batch within the pass, from 0.
        max_shift: As for `draw_offsets`.
        count: Number of offsets, at least 1.

    Example:
        >>> draw_batch_offsets(seed=0, repeat=0, batch=3, max_shift=1)
        ((0, 0), (0, 0))
    """
    check_least(seed=(seed, 0), repeat=(repeat, 0), batch=(batch, 0), max_shift=(max_shift, 1), count=(count, 1))
    words = np.random.SeedSequence(seed, spawn_key=(repeat, batch)).generate_state(count, np.uint64)
    return tuple(divmod(int(word) % max_shift**2, max_shift) for word in words)


@dataclass(frozen=True)
class ViewPlan:
    """Plan of the views that are taken of every image.

    Args: The options of `shift_consistency`, with its defaults and ranges. ``crop_size`` is kept as height and width.
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
        object.__setattr__(self, 'crop_size', as_pair(self.crop_size))
        check_flag('circular', self.circular)
        check_least(max_shift=(self.max_shift, 2), views=(self.views, 2), seed=(self.seed, 0))
        if self.max_shift > min(self.crop_size):
            raise ValueError(
                f'max_shift must be between 2 and the shorter side of crop_size {self.crop_size}, got {self.max_shift}'
            )
        if self.views > self.max_shift**2:
            raise ValueError(f'views must be between 2 and max_shift² = {self.max_shift**2}, got {self.views}')
        check_choice('protocol', self.protocol, get_args(Protocol))
        if self.protocol == 'per_image' and self.batch_size is not None:
            raise ValueError(f'batch_size must be None unless the protocol is legacy, got {self.batch_size}')
        if self.protocol == 'legacy':
            as_integer('batch_size', self.batch_size, 1)
        check_least(subpixel=(self.subpixel, 1))
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
        return 5 if self.protocol == 'legacy' else 1

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
        batch, repeats = index // self.batch_size, range(self.repeats)
        draws = (draw_batch_offsets(self.seed, repeat, batch, self.max_shift, self.views) for repeat in repeats)
        return [offset for draw in draws for offset in draw]

    def cut(self, index: int, image: Tensor) -> Tensor:
        """Return all views of image ``index``, at least of `frame_size`, as ``(repeats * views, C, *crop_size)``."""
        frame = centre_part(image, self.frame_size)
        return shifted_views(frame, self.offsets(index), self.max_shift, circular=self.circular)


@dataclass(frozen=True)
class ShiftGrid:
    """The shifts ``{0, step, 2 · step, …}²`` below ``max_shift``, in pixels, with ``step = stride / subpixel``.

    Args: The options of `worst_case_shift_consistency`, with its defaults; at least two shifts per side.

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
        if self.crop_size is not None:
            object.__setattr__(self, 'crop_size', as_pair(self.crop_size))
        check_flag('circular', self.circular)
        check_least(max_shift=(self.max_shift, 1), subpixel=(self.subpixel, 1), stride=(self.stride, 1))
        if self.subpixel > 1 and not self.circular:
            raise ValueError(f'subpixel must be 1, or above 1 and circular True, got {self.subpixel}, {self.circular}')
        if self.stride >= self.max_shift * self.subpixel:
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
        """Yield the offsets and views, ``(B, C, h, w)``, of an image, no more than ``batch_size`` at a time."""
        if self.crop_size is not None:
            margin = 0 if self.circular else self.max_shift
            image = centre_part(image, tuple(side + margin for side in self.crop_size))
        check_room(image, self.max_shift, self.circular)
        offsets = self.offsets
        for start in range(0, len(offsets), batch_size):
            part = offsets[start : start + batch_size]
            yield part, shifted_views(image, part, self.max_shift, circular=self.circular)


def check_random_shift(max_shift: int, seed: int) -> None:
    """Raise unless two different offsets can be drawn."""
    check_least(max_shift=(max_shift, 2), seed=(seed, 0))


def as_pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of a view: a side is that of a square."""
    return check_pair('crop_size', size)
