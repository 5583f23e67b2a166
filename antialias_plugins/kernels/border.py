"""The border of a map, and what is kept of a padded map for the backward pass."""

import functools
from typing import NamedTuple

from torch import Tensor

from antialias_plugins.kernels import padding
from antialias_plugins.kernels.linear_map import LinearMap
from antialias_plugins.kernels.precision import memory_format_of
from antialias_plugins.kernels.transforms import is_transformed


class Border(NamedTuple):
    """What `padding.pad2d` adds to a map.

    Attributes:
        filt_size: K.
        padding_mode: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``.
        channels_last: whether a map on the CPU is padded into one with the channels of a position next to each other,
            which is convolved and filtered quickest there; else, and on other devices, the memory format stays.
    """

    filt_size: int
    padding_mode: str
    channels_last: bool = False

    def add(self, map: Tensor) -> Tensor:
        """Pad (N, C, H, W) to (N, C, H + K - 1, W + K - 1).

        Nothing is kept for the backward pass, and the padded map remembers its `Source`.
        """
        if self.filt_size == 1:
            return map
        options = {'filt_size': self.filt_size, 'padding_mode': self.padding_mode}
        if is_transformed():
            return padding.pad2d(map, **options)
        channels_last = self.channels_last and map.device.type == 'cpu'
        pad = functools.partial(padding.pad2d_channels_last if channels_last else padding.pad2d, **options)
        unpad = functools.partial(padding.unpad2d, **options, memory_format=memory_format_of(map))
        padded = LinearMap.apply(map, pad, unpad)
        padded._aa_source = Source(map, self)
        return padded

    def padded_size(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """(N, C, H, W) as (N, C, H + K - 1, W + K - 1)."""
        return *size[:2], *(side + self.filt_size - 1 for side in size[2:])


class Source(NamedTuple):
    """What is kept in place of a padded map: most often the activation in front of a filter keeps it anyway.

    Attributes:
        map: (N, C, H, W).
        border: what was added to it.
    """

    map: Tensor
    border: Border


def source_of(padded: Tensor) -> Source:
    """Return the source of what `Border.add` gave; anything else is its own."""
    return getattr(padded, '_aa_source', None) or Source(padded, Border(1, 'zeros'))
