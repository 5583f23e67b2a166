"""The low-pass filter in front of polyphase components."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from antialias_plugins.functional import blur_pool2d
from antialias_plugins.functional.arguments import PADDING_MODES, check_choice, check_count, check_map, check_pair
from antialias_plugins.layers.adaptive_blur_pool import AdaptiveBlurPool2d
from antialias_plugins.layers.fixed_filter import FixedFilter


class PolyphaseFilter(FixedFilter):
    """Filters a map at stride 1, for the layers that subsample it at an offset of their choice.

    Args:
        channels: C that every input must have; any if None, which takes a binomial filter.
        stride: S of the layer, at least 1, for both axes or as ``(vertical, horizontal)``.
        filt_size: K taps, at least 1. K = 1 is no filter.
        padding_mode: border of the filter: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``.
        adaptive: None for the binomial filter. For one whose taps are predicted (DDAC) ``groups`` and ``softmax`` of
            `AdaptiveBlurPool2d`, such as ``{'groups': 8}``.

    Attributes:
        adaptive: `AdaptiveBlurPool2d` of stride 1, or None.

    Raises:
        ValueError: if an argument, or the number of channels of an input, breaks a rule above.
    """

    adaptive: AdaptiveBlurPool2d | None

    def __init__(
        self,
        channels: int | None,
        stride: int | tuple[int, int],
        filt_size: int,
        padding_mode: str,
        adaptive: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(filt_size)
        self.channels = channels if channels is None else check_count('channels', channels)
        self.stride = check_pair('stride', stride)
        self.adaptive = None if adaptive is None else _adaptive_filter(channels, filt_size, adaptive)
        self.padding_mode = padding_mode

    @property
    def padding_mode(self) -> str:
        """Border of the filter."""
        return self._padding_mode

    @padding_mode.setter
    def padding_mode(self, padding_mode: str) -> None:
        self._padding_mode = check_choice('padding_mode', padding_mode, PADDING_MODES)
        if self.adaptive is not None:
            self.adaptive.padding_mode = padding_mode

    def low_pass(self, input: Tensor) -> Tensor:
        """Filter a map (N, C, H, W)."""
        check_map(input, self.channels)
        if self.adaptive is not None:
            return self.adaptive(input)
        if self.filt_size == 1:
            return input
        return blur_pool2d(input, self.filt_size, 1, self.padding_mode, filt=self.filt)

    def extra_repr(self) -> str:
        """List the arguments."""
        return f'{self.channels}, stride={self.stride}, filt_size={self.filt_size}, padding_mode={self.padding_mode!r}'


def _adaptive_filter(channels: int | None, filt_size: int, arguments: Mapping[str, Any]) -> AdaptiveBlurPool2d:
    if not isinstance(arguments, Mapping) or arguments.keys() - {'groups', 'softmax'}:
        raise ValueError(f"adaptive must be None or a dict of 'groups' and 'softmax', got {arguments!r}")
    return AdaptiveBlurPool2d(channels, filt_size, 1, **arguments)
