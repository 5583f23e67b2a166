"""Layers that keep one polyphase component of a low-passed map, and the layer that puts it back."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from antialias_plugins import kernels
from antialias_plugins.functional import polyphase_components, polyphase_unpool2d, select_component
from antialias_plugins.functional.arguments import (
    PADDING_MODES,
    check_choice,
    check_count,
    check_map,
    check_pair,
    one_or_many,
)
from antialias_plugins.functional.polyphase import take
from antialias_plugins.kernels.maps import as_input
from antialias_plugins.layers.adaptive_blur_pool import AdaptiveBlurPool2d
from antialias_plugins.layers.blur_pool import FixedFilter
from antialias_plugins.layers.phase_link import PhaseLink, check_link


class PolyphaseFilter(FixedFilter):
    """Filters a map at stride 1, for the layers that subsample it at an offset of their choice: see `PolyphasePool2d`.

    Attributes:
        adaptive: `AdaptiveBlurPool2d` of stride 1, or None.
    """

    adaptive: AdaptiveBlurPool2d | None
    _printed = ('channels', 'stride', 'filt_size', 'padding_mode')

    def __init__(
        self,
        channels: int | None,
        stride: int | tuple[int, int],
        filt_size: int,
        padding_mode: str,
        adaptive: Mapping[str, Any] | None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(filt_size, device, dtype)
        self.channels = channels if channels is None else check_count('channels', channels)
        self.stride = check_pair('stride', stride)
        self.adaptive = (
            None if adaptive is None else _adaptive_filter(channels, filt_size, adaptive, device=device, dtype=dtype)
        )
        self.padding_mode = padding_mode

    @property
    def padding_mode(self) -> str:
        """Padding of the filter."""
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
        return kernels.blur_pool2d(input, self.filt_size, (1, 1), self.padding_mode)


class PolyphasePool2d(PolyphaseFilter):
    """Low-passes a map and keeps one of its S_h S_w polyphase components; a subclass chooses which.

    Where branches meet that were subsampled by several such layers, they must have kept the same component. One of them
    is the source, which publishes its choice through a `PhaseLink`, the others follow.

    Args:
        channels: C that every input must have; any if None.
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        filt_size: K taps of the low-pass filter in front, at least 1. K = 1 is none.
        padding_mode: of the filter: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``, the only one with
            which the layer is exactly equivariant to circular shifts.
        adaptive: None for a binomial filter. For one whose taps are predicted (DDAC) ``groups`` and ``softmax`` of
            `AdaptiveBlurPool2d`, such as ``{'groups': 8}``; it takes a number of channels.
        device, dtype: of the parameters, as in torch's layers.

    Attributes:
        link: what this layer shares with others, or None.
        leads: whether this layer is the source of the choice, or takes what the link says.

    Raises:
        ValueError: if an argument, or the number of channels of an input, breaks a rule above.
        RuntimeError: if it follows and nothing was published for this batch.
    """

    def __init__(
        self,
        channels: int | None = None,
        stride: int | tuple[int, int] = 2,
        filt_size: int = 1,
        padding_mode: str = 'circular',
        adaptive: Mapping[str, Any] | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(channels, stride, filt_size, padding_mode, adaptive, device, dtype)
        self.link: PhaseLink | None = None
        self.leads = True

    def lead(self, link: PhaseLink) -> None:
        """Publish every choice through `link`. A layer that followed has nothing left to choose with: build another."""
        if not self.leads:
            raise RuntimeError('A layer that follows cannot lead.')
        self.link = check_link(link)

    def follow(self, link: PhaseLink) -> None:
        """Take the choices published through `link` from now on, and drop the parameters of the own choice."""
        self.link, self.leads = check_link(link), False

    def scores(self, components: Tensor) -> Tensor:
        """Judge components (N, P, C, M_h, M_w): (N, P), whose largest is chosen."""
        raise NotImplementedError

    def choose(self, components: Tensor) -> Tensor:
        """Return phases (N,) or weights (N, P) for components (N, P, C, M_h, M_w)."""
        return self.scores(components).argmax(1)

    @one_or_many()
    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        components = polyphase_components(self.low_pass(input), self.stride)
        select = take if self.leads else select_component  # what somebody else has published is checked
        return as_input(select(components, self._selection(components)), input)

    def _selection(self, components: Tensor) -> Tensor:
        if not self.leads:
            return self.link.selection(components)
        selection = self.choose(components)
        if self.link is not None:
            self.link.publish(selection)
        return selection

    def extra_repr(self) -> str:
        """List the arguments, and whether the layer follows."""
        return super().extra_repr() + ('' if self.leads else ', follows')


class PolyphaseUnpool2d(FixedFilter):
    """Enlarges a map at the phase that a `PolyphasePool2d` of the encoder has chosen.

    From `Truly shift-equivariant convolutional neural networks with adaptive polyphase upsampling
    <https://arxiv.org/abs/2105.04040>`_ (Chaman and Dokmanić, 2021). The map is put back to the positions that were
    kept, with zeros between them (`antialias_plugins.functional.polyphase_unpool2d`), multiplied by S_h S_w, and
    low-passed. So the mean is kept; for S = 2 and K > 1 a constant map stays constant. K = 3 is bilinear interpolation
    about the phase, and an even K moves it by half a pixel (see `antialias_plugins.functional.blur_pool2d`).

    Args:
        link: where the phase is published.
        stride: S of the layer that publishes, for both axes or as ``(vertical, horizontal)``.
        filt_size: K, at least 1. K = 1 leaves the zeros.
        padding_mode: of the filter, as in `PolyphasePool2d`.
        device, dtype: as in `antialias_plugins.layers.BlurPool2d`.

    Raises:
        RuntimeError: if nothing was published for this batch.

    Example:
        >>> import torch
        >>> from antialias_plugins.layers import AdaptivePolyphasePool2d
        >>> pool, link = AdaptivePolyphasePool2d(), PhaseLink()
        >>> pool.lead(link)
        >>> unpool = PolyphaseUnpool2d(link)
        >>> unpool(pool(torch.tensor([0.0, 0, 0, 4, 0, 4]).expand(1, 1, 2, 6)))[0, 0, 0]
        tensor([2., 1., 2., 4., 4., 4.])
    """

    _printed = ('stride', 'filt_size', 'padding_mode')

    def __init__(
        self,
        link: PhaseLink,
        stride: int | tuple[int, int] = 2,
        filt_size: int = 3,
        padding_mode: str = 'circular',
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(filt_size, device, dtype)
        self.link = check_link(link)
        self.stride = check_pair('stride', stride)
        self.padding_mode = check_choice('padding_mode', padding_mode, PADDING_MODES)

    @one_or_many()
    def forward(self, input: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Map (N, C, M_h, M_w) to (N, C, S_h M_h, S_w M_w) or, if the stride did not divide its sides, `size`."""
        check_map(input)
        spread = polyphase_unpool2d(input, self.link.selection(input), self.stride, size) * math.prod(self.stride)
        return kernels.blur_pool2d(spread, self.filt_size, (1, 1), self.padding_mode)


def _adaptive_filter(
    channels: int | None, filt_size: int, arguments: Mapping[str, Any], **placement: Any
) -> AdaptiveBlurPool2d:
    if not isinstance(arguments, Mapping) or arguments.keys() - {'groups', 'softmax'}:
        raise ValueError(f"adaptive must be None or a dict of 'groups' and 'softmax', got {arguments!r}")
    try:
        return AdaptiveBlurPool2d(channels, filt_size, 1, **placement, **arguments)
    except ValueError as error:
        raise ValueError(f'adaptive must fit the other arguments, got {arguments!r}: {error}') from None
