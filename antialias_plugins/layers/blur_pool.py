"""Fixed low-pass downsampling as a module, and the taps that it shares with others."""

from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import (
    PADDING_MODES,
    check_choice,
    check_count,
    check_map,
    check_pair,
    check_placement,
    one_or_many,
)
from antialias_plugins.functional.blur_pool import binomial_filter


class FilterModule(nn.Module):
    """A module that prints its arguments, those of `_printed`; the number of channels needs no name."""

    _printed: tuple[str, ...] = ('channels', 'filt_size', 'stride', 'padding_mode')

    def extra_repr(self) -> str:
        """List the arguments."""
        return ', '.join(f'{name}={getattr(self, name)!r}' for name in self._printed).removeprefix('channels=')


class FixedFilter(FilterModule):
    """Filters with taps that its number of taps determines: no tensor of its own, which could be lost or forgotten.

    So a network may be made on the meta device, emptied onto another and loaded. State dicts of other implementations
    do contain the taps, as `filt`; such an entry, of any shape, is passed over when loading.

    Args:
        filt_size: K, at least 1.
        device, dtype: checked, as any layer takes them; there is nothing to place.
    """

    def __init__(
        self, filt_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.filt_size = check_count('filt_size', filt_size)
        check_placement(device, dtype)

    @property
    def filt(self) -> Tensor:
        """A copy of the (K, K) taps, in float32 on the CPU."""
        return binomial_filter(self.filt_size)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a pickle of version 0.1 as well, which held the taps in a buffer."""
        super().__setstate__(state)
        self._buffers.pop('filt', None)
        self._non_persistent_buffers_set.discard('filt')

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        entries = {key: value for key, value in state_dict.items() if key != f'{prefix}filt'}
        super()._load_from_state_dict(entries, prefix, *args)


class BlurPool2d(FixedFilter):
    """Module of `antialias_plugins.functional.blur_pool2d`. It has no parameters and an empty state dict.

    Args:
        channels: C that every input must have; any if None. The others are those of the function.
        device, dtype: taken as by any layer; without parameters there is nothing to place.

    Example:
        >>> import torch
        >>> BlurPool2d(64)(torch.rand(2, 64, 57, 56)).shape
        torch.Size([2, 64, 29, 28])
    """

    def __init__(
        self,
        channels: int | None = None,
        filt_size: int = 4,
        stride: int | tuple[int, int] = 2,
        padding_mode: str = 'reflect',
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(filt_size, device, dtype)
        self.channels = channels if channels is None else check_count('channels', channels)
        self.stride = check_pair('stride', stride)
        self.padding_mode = check_choice('padding_mode', padding_mode, PADDING_MODES)

    @one_or_many()
    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S)); here as in all layers, N may be missing."""
        check_map(input, self.channels)
        return kernels.blur_pool2d(input, self.filt_size, self.stride, self.padding_mode)
