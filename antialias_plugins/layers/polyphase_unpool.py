"""Polyphase unpooling as a module."""

import math

from torch import Tensor

from antialias_plugins.functional import blur_pool2d, polyphase_unpool2d
from antialias_plugins.functional.arguments import PADDING_MODES, check_choice, check_map, check_pair
from antialias_plugins.layers.fixed_filter import FixedFilter
from antialias_plugins.layers.phase_link import PhaseLink


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
        padding_mode: border of the filter: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``.

    Shape:
        (N, C, M_h, M_w) to (N, C, S_h M_h, S_w M_w), or to the size that is given with the map.

    Raises:
        ValueError: if an argument breaks a rule above.
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

    def __init__(
        self,
        link: PhaseLink,
        stride: int | tuple[int, int] = 2,
        filt_size: int = 3,
        padding_mode: str = 'circular',
    ) -> None:
        super().__init__(filt_size)
        self.link = link
        self.stride = check_pair('stride', stride)
        self.padding_mode = check_choice('padding_mode', padding_mode, PADDING_MODES)

    def forward(self, input: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Map (N, C, M_h, M_w) to (N, C, S_h M_h, S_w M_w) or, if the stride did not divide its sides, `size`."""
        check_map(input)
        spread = polyphase_unpool2d(input, self.link.selection(input), self.stride, size) * math.prod(self.stride)
        return blur_pool2d(spread, self.filt_size, 1, self.padding_mode, filt=self.filt)

    def extra_repr(self) -> str:
        """List the arguments."""
        return f'stride={self.stride}, filt_size={self.filt_size}, padding_mode={self.padding_mode!r}'
