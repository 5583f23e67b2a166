"""Which parts of a map a filter has to see again, after a convolution that pads with zeros. Taps K, stride S."""

from typing import NamedTuple


class Band(NamedTuple):
    """A border of a map, each range as first and number of rows (or columns).

    Attributes:
        dim: 2 for rows, 3 for columns.
        outputs: those that look beyond the border.
        inputs: what they look at.
        skipped: how many outputs the filtered band has before those.
    """

    dim: int
    outputs: tuple[int, int]
    inputs: tuple[int, int]
    skipped: int


def find_bands(filt_size: int, stride: tuple[int, int], sides: tuple[int, int]) -> list[Band] | None:
    """List the bands of a map, or None if padding both sides by ``floor((K - 1) / 2)`` gives another size of output."""
    if filt_size % 2 == 0 and any((side - 1) % step == 0 for side, step in zip(sides, stride, strict=True)):
        return None
    return [band for axis in (0, 1) for band in _bands_of_axis(2 + axis, filt_size, stride[axis], sides[axis])]


def _bands_of_axis(dim: int, filt_size: int, stride: int, side: int) -> list[Band]:
    before, count = (filt_size - 1) // 2, -(-side // stride)
    first = -(-before // stride)
    inner = (side - filt_size + before) // stride + 1
    start = stride * (inner - first)
    bands = [
        Band(dim, (0, first), (0, stride * (first - 1) + filt_size - before), 0),
        Band(dim, (inner, count - inner), (start, side - start), first),
    ]
    return [band for band in bands if band.outputs[1]]
