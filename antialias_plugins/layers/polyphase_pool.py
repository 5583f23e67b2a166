"""What all layers that choose a polyphase component have in common."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from antialias_plugins.functional import polyphase_components, select_component
from antialias_plugins.kernels.precision import as_input
from antialias_plugins.layers.phase_link import PhaseLink
from antialias_plugins.layers.polyphase_filter import PolyphaseFilter


class PolyphasePool2d(PolyphaseFilter):
    """Low-passes a map and keeps one of its S_h S_w polyphase components; a subclass chooses which.

    Where branches meet that were subsampled by several such layers, they must have kept the same component. One of them
    leads and publishes its choice through a `PhaseLink`, the others follow.

    Args:
        channels: C that every input must have; any if None.
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        filt_size: K taps of the low-pass filter in front, at least 1. K = 1 is none.
        padding_mode: border of the filter: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``, the only one
            with which the layer is exactly equivariant to circular shifts.
        adaptive: None for a binomial filter, arguments of `AdaptiveBlurPool2d` for one whose taps are predicted.

    Attributes:
        link: what this layer shares with others, or None.
        leads: whether this layer chooses, or takes what the link says.

    Shape:
        (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S)).

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
    ) -> None:
        super().__init__(channels, stride, filt_size, padding_mode, adaptive)
        self.link: PhaseLink | None = None
        self.leads = True

    def lead(self, link: PhaseLink) -> None:
        """Publish every choice through `link`. A layer that followed has nothing left to choose with: build another."""
        if not self.leads:
            raise RuntimeError('A layer that follows cannot lead.')
        self.link = link

    def follow(self, link: PhaseLink) -> None:
        """Take the choices published through `link` from now on, and drop the parameters of the own choice."""
        self.link, self.leads = link, False

    def scores(self, components: Tensor) -> Tensor:
        """Judge components (N, P, C, M_h, M_w): (N, P) in float64, whose largest is chosen."""
        raise NotImplementedError

    def choose(self, components: Tensor) -> Tensor:
        """Return phases (N,) or weights (N, P) for components (N, P, C, M_h, M_w)."""
        return self.scores(components).argmax(1)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        components = polyphase_components(self.low_pass(input), self.stride)
        return as_input(select_component(components, self._selection(components)), input)

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
