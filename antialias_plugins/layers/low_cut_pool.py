"""Ideal low-pass downsampling as a module."""

import torch
from torch import Tensor

from antialias_plugins.functional import low_cut_pool2d
from antialias_plugins.functional.arguments import (
    check_choice,
    check_count,
    check_map,
    check_pair,
    check_placement,
    one_or_many,
)
from antialias_plugins.functional.low_cut_pool import WINDOWS
from antialias_plugins.layers.blur_pool import FilterModule


class FrequencyLowCutPool2d(FilterModule):
    """Module of `antialias_plugins.functional.low_cut_pool2d`. It has no parameters and an empty state dict.

    Args:
        channels: C that every input must have; any if None. The others are those of the function.
        device, dtype: as in `antialias_plugins.layers.BlurPool2d`.

    Example:
        >>> import torch
        >>> FrequencyLowCutPool2d(64)(torch.rand(2, 64, 57, 14)).shape
        torch.Size([2, 64, 29, 7])
    """

    _printed = ('channels', 'stride', 'window')

    def __init__(
        self,
        channels: int | None = None,
        stride: int | tuple[int, int] = 2,
        window: str = 'rectangular',
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_placement(device, dtype)
        self.channels = channels if channels is None else check_count('channels', channels)
        self.stride = check_pair('stride', stride)
        self.window = check_choice('window', window, WINDOWS)

    @one_or_many()
    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        check_map(input, self.channels)
        return low_cut_pool2d(input, self.stride, self.window)
