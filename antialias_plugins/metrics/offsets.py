"""The offsets at which the views of an image are taken."""

import numpy as np

Offset = tuple[int, int]
Shift = tuple[float, float]


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
    _check_least(seed=(seed, 0), index=(index, 0), max_shift=(max_shift, 1))
    _check_count(count, max_shift)
    words = np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(count, np.uint64)
    cells = list(range(max_shift**2))
    # A 64-bit word modulo the number of cells is uniform to within cells / 2⁶⁴.
    drawn = (cells.pop(int(word) % len(cells)) for word in words)
    return tuple(divmod(cell, max_shift) for cell in drawn)


def draw_subpixel_offsets(
    seed: int, index: int, max_shift: int, count: int = 2, subpixel: int = 2
) -> tuple[Shift, ...]:
    """Draw ``count`` different offsets for one image, the first of whole pixels, the others of fractions too.

    As `draw_offsets`, and the same for ``subpixel=1``. The first view then holds the image's own pixels, against which
    the interpolated ones are compared, and the distance between the first and any other is uniform over the fractions.

    Args:
        seed: Seed of the whole evaluation, at least 0.
        index: Index of the image in its data set, at least 0.
        max_shift: Offsets are below this number of pixels, at least 1.
        count: Number of offsets, from 1 to ``max_shift²``.
        subpixel: The others are multiples of ``1 / subpixel`` pixels, at least 1.

    Returns:
        ``count`` pairs ``(down, right)``, in pixels.

    Raises:
        ValueError: If an argument is outside its range.

    Example:
        >>> first, second = draw_subpixel_offsets(seed=0, index=7, max_shift=32, subpixel=4)
        >>> [side.is_integer() for side in first], [(4 * side).is_integer() for side in second]
        ([True, True], [True, True])
    """
    _check_least(seed=(seed, 0), index=(index, 0), max_shift=(max_shift, 1), subpixel=(subpixel, 1))
    _check_count(count, max_shift)
    first, *others = (int(w) for w in np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(count, np.uint64))
    down, right = divmod(first % max_shift**2, max_shift)
    side = max_shift * subpixel
    cells = list(range(side**2))
    drawn = [cells.pop((down * side + right) * subpixel)]
    drawn += [cells.pop(word % len(cells)) for word in others]
    return tuple((cell // side / subpixel, cell % side / subpixel) for cell in drawn)


def draw_batch_offsets(seed: int, repeat: int, batch: int, max_shift: int, count: int = 2) -> tuple[Offset, ...]:
    """Draw ``count`` offsets that a whole batch of images shares, as the published evaluation does.

    They are independent, so two of them may be equal. The published program draws them from numpy's global generator,
    which it never seeds: its numbers can be reproduced up to that choice only. Here ``seed`` decides.

    Args:
        seed: Seed of the whole evaluation, at least 0.
        repeat: Number of the pass over the images, from 0.
        batch: Number of the batch within the pass, from 0.
        max_shift: Number of values that either coordinate can take, in pixels, at least 1.
        count: Number of offsets, at least 1.

    Returns:
        ``count`` pairs ``(down, right)``, in pixels.

    Raises:
        ValueError: If an argument is outside its range.

    Example:
        >>> draw_batch_offsets(seed=0, repeat=0, batch=3, max_shift=1)
        ((0, 0), (0, 0))
    """
    _check_least(seed=(seed, 0), repeat=(repeat, 0), batch=(batch, 0), max_shift=(max_shift, 1), count=(count, 1))
    words = np.random.SeedSequence(seed, spawn_key=(repeat, batch)).generate_state(count, np.uint64)
    return tuple(divmod(int(word) % max_shift**2, max_shift) for word in words)


def _check_least(**values: tuple[int, int]) -> None:
    for name, (value, least) in values.items():
        if value < least:
            raise ValueError(f'{name} must be at least {least}, got {value}')


def _check_count(count: int, max_shift: int) -> None:
    if not 1 <= count <= max_shift**2:
        raise ValueError(
            f'count must be between 1 and max_shift² = {max_shift**2}, so that all offsets can differ, got {count}'
        )
