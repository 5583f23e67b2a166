"""Padding: how a map N C H W grows by K - 1 so that a filter of K taps sees every position, and the way back."""

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels.backend import is_transformed, log_once, static_shape, uses_reference
from antialias_plugins.kernels.linear import LinearMap
from antialias_plugins.kernels.maps import as_type, copy_map_, memory_format_of, widen


class Padding(NamedTuple):
    """What is added to a map.

    Attributes:
        filt_size: K.
        mode: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``.
        channels_last: whether a map on the CPU is padded into one with the channels of a position next to each other,
            which is convolved and filtered quickest there; else, and on other devices, the memory format stays.
    """

    filt_size: int
    mode: str
    channels_last: bool = False

    def add(self, map: Tensor, backend: str | None = None) -> Tensor:
        """Pad (N, C, H, W) to (N, C, H + K - 1, W + K - 1).

        Nothing is kept for the backward pass, and the padded map remembers what `source_of` returns.
        """
        if self.filt_size == 1:
            return map
        if uses_reference(backend):
            return pad2d_reference(map, self.filt_size, self.mode)
        channels_last = self.channels_last and map.device.type == 'cpu'
        options = {'filt_size': self.filt_size, 'padding_mode': self.mode}
        pad = functools.partial(pad2d_channels_last if channels_last else pad2d_reference, **options)
        unpad = functools.partial(unpad2d, **options, memory_format=memory_format_of(map))
        padded = LinearMap.apply(map, pad, unpad)
        padded._aa_source = map, self
        return padded


def source_of(padded: Tensor) -> tuple[Tensor, Padding]:
    """Return the map and what `Padding.add` has added to it; anything else is its own map.

    It is what is kept in place of a padded map: most often the activation in front of a filter keeps it anyway.
    """
    return getattr(padded, '_aa_source', None) or (padded, Padding(1, 'zeros'))


def pad2d(
    input: Tensor, filt_size: int, padding_mode: str, channels_last: bool = False, backend: str | None = None
) -> Tensor:
    """Compute `pad2d_reference`; nothing is kept for the backward pass. `channels_last` is that of `Padding`."""
    return Padding(filt_size, padding_mode, channels_last).add(input, backend)


def pad2d_reference(input: Tensor, filt_size: int, padding_mode: str = 'reflect') -> Tensor:
    """Pad a map to (N, C, H + K - 1, W + K - 1), before it ``floor((K - 1) / 2)`` and after it ``ceil((K - 1) / 2)``.

    With an odd K the window of an output sits centred on its input position; an even K has one tap more after it than
    before (K = 4 pads 1 and 2), which is what keeps the size of the output at ``ceil(H / S)``.

    Reflection needs more rows than it pads. On a smaller map ``'reflect'`` becomes ``'replicate'``, which is logged
    once at DEBUG. Circular padding wraps as often as it takes. The arguments are those of `Padding`.
    """
    before, after = (filt_size - 1) // 2, filt_size // 2
    if after == 0:
        return input
    sides = static_shape(input)[2:]
    if padding_mode == 'circular' and after > min(sides):
        return _wrap(_wrap(input, 2, before, after), 3, before, after)
    if padding_mode == 'circular' and is_transformed():  # not every runtime wraps around
        return pad_by_slices(input, (before, after, before, after), padding_mode)
    mode = applied_mode(padding_mode, after, sides)
    mode = 'constant' if mode == 'zeros' else mode
    return as_type(F.pad(widen(input), (before, after, before, after), mode), input.dtype)


def pad2d_channels_last(input: Tensor, filt_size: int, padding_mode: str) -> Tensor:
    """Compute `pad2d_reference` into a map with the channels of a position next to each other, not differentiably."""
    before, after = (filt_size - 1) // 2, filt_size // 2
    sides = input.shape[2:]
    mode = applied_mode(padding_mode, after, sides)
    shape = *input.shape[:2], *(side + filt_size - 1 for side in sides)
    padded = torch.empty(shape, dtype=input.dtype, device=input.device, memory_format=torch.channels_last)
    copy_map_(_inside(padded, before, sides), input)
    for dim, size in enumerate(sides, 2):
        for position in _beyond(before, after, size):
            line = padded.select(dim, before + position)
            if mode == 'zeros':
                line.zero_()
            else:
                line.copy_(padded.select(dim, before + _origin(position, size, mode)))
    return padded


def unpad2d(
    padded: Tensor, filt_size: int, padding_mode: str, memory_format: torch.memory_format | None = None
) -> Tensor:
    """Apply the transpose of `pad2d`: crop a gradient and add what was cropped to where the padding came from.

    The result (N, C, H, W) has the memory format that is given, else that of `padded`.
    """
    before, after = (filt_size - 1) // 2, filt_size // 2
    height, width = sides = tuple(side - before - after for side in padded.shape[2:])
    inside = _inside(padded, before, sides)
    map = torch.empty_like(inside, memory_format=memory_format or memory_format_of(padded))
    copy_map_(map, inside)
    mode = applied_mode(padding_mode, after, sides)
    if mode != 'zeros':
        for position in _beyond(before, after, width):
            column = padded.select(3, before + position)
            map.select(3, _origin(position, width, mode)).add_(column[..., before : before + height])
        for position in _beyond(before, after, height):
            row, target = padded.select(2, before + position), map.select(2, _origin(position, height, mode))
            target.add_(row[..., before : before + width])
            for corner in _beyond(before, after, width):
                target.select(2, _origin(corner, width, mode)).add_(row[..., before + corner])
    return map


def applied_mode(padding_mode: str, after: int, sides: tuple[int, ...]) -> str:
    """Return `padding_mode`, or ``'replicate'`` where there is too little to reflect, which is logged once."""
    if padding_mode != 'reflect' or after < min(sides):
        return padding_mode
    if not is_transformed():
        log_once('A map is too small for reflect padding: replicate is used there.')
    return 'replicate'


def _inside(padded: Tensor, before: int, sides: tuple[int, int]) -> Tensor:
    """View of what is not padding."""
    return padded.narrow(2, before, sides[0]).narrow(3, before, sides[1])


def _beyond(before: int, after: int, size: int) -> tuple[int, ...]:
    """The positions of the padding of an axis."""
    return *range(-before, 0), *range(size, size + after)


def _origin(position: int, size: int, mode: str) -> int:
    """Where the value at a position beyond the end of an axis comes from."""
    if mode == 'circular':
        return position % size
    inside = min(max(position, 0), size - 1)
    return inside if mode == 'replicate' else 2 * inside - position


def _wrap(input: Tensor, dim: int, before: int, after: int) -> Tensor:
    """Circular padding of one axis by any amount (torch stops at one turn)."""
    size = input.shape[dim]
    return input.index_select(dim, torch.arange(-before, size + after, device=input.device) % size)


def pad_by_slices(input: Tensor, pad: tuple[int, ...], mode: str) -> Tensor:
    """Compute `torch.nn.functional.pad` by slices of the map, in which no size is written down.

    Args:
        input: the map.
        pad: values before and after each axis, the last axis first, none of them negative.
        mode: ``'reflect'``, ``'replicate'`` or ``'circular'``.

    Raises:
        ValueError: if the map has too little to reflect or to wrap around.

    Example:
        >>> pad_by_slices(torch.arange(3.0), (2, 1), 'circular')
        tensor([1., 2., 0., 1., 2., 0.])
    """
    for axis in range(len(pad) // 2):
        before, after = pad[2 * axis : 2 * axis + 2]
        side = static_shape(input)[-1 - axis]
        needed = max(before, after) + {'reflect': 1, 'replicate': 0, 'circular': 0}[mode]
        if min(before, after) < 0 or needed > side:
            raise ValueError(f'pad must be from 0 to what a side of {side} has for {mode!r}, got {(before, after)}')
        cuts = _cuts(mode, before, after)
        parts = [input if cut is None else input[(..., cut, *[slice(None)] * axis)] for cut in cuts]
        input = torch.cat(parts, -1 - axis) if len(parts) > 1 else input
    return input


def _cuts(mode: str, before: int, after: int) -> list[slice | None]:
    """What is joined along an axis: slices of it, and None for the axis itself."""
    if mode == 'reflect':
        left = [slice(position, position + 1) for position in range(before, 0, -1)]
        right = [slice(-position - 1, -position) for position in range(1, after + 1)]
    elif mode == 'replicate':
        left, right = [slice(0, 1)] * before, [slice(-1, None)] * after
    else:
        left, right = [slice(-before, None)] * (before > 0), [slice(0, after)] * (after > 0)
    return [*left, None, *right]
