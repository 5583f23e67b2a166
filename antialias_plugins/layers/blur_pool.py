"""Fixed low-pass downsampling as a module, and the taps that it shares with others."""

from typing import Any

from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import PADDING_MODES, check_choice, check_count, check_map, check_pair
from antialias_plugins.functional.blur_pool import binomial_filter


class FilterModule(nn.Module):
    """A module that prints its arguments, those of `_printed`; the number of channels needs no name."""

    _printed: tuple[str, ...] = ('channels', 'filt_size', 'stride', 'padding_mode')

    def extra_repr(self) -> str:
        """List the arguments."""
        return ', '.join(f'{name}={getattr(self, name)!r}' for name in self._printed).removeprefix('channels=')


class FixedFilter(FilterModule):
    """Keeps the taps in a buffer `filt` that moves with the module and never enters a state dict.

    State dicts of other implementations do contain it; such an entry, of any shape, is passed over when loading.

    Args:
        filt_size: K, at least 1.
    """

    filt: Tensor

    def __init__(self, filt_size: int) -> None:
        super().__init__()
        self.register_buffer('filt', binomial_filter(filt_size), persistent=False)
        self.filt_size = filt_size

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        entries = {key: value for key, value in state_dict.items() if key != f'{prefix}filt'}
        super()._load_from_state_dict(entries, prefix, *args)


class BlurPool2d(FixedFilter):
    """Module of `antialias_plugins.functional.blur_pool2d`. It has no parameters and an empty state dict.

    Args:
        channels: C that every input must have; any if None. The others are those of the function.

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
    ) -> None:
        super().__init__(filt_size)
        self.channels = channels if channels is None else check_count('channels', channels)
        self.stride = check_pair('stride', stride)
        self.padding_mode = check_choice('padding_mode', padding_mode, PADDING_MODES)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        check_map(input, self.channels)
        return kernels.blur_pool2d(input, self.filt, self.stride, self.padding_mode)
