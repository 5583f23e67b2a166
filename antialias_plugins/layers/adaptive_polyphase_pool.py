"""Adaptive polyphase sampling as a module."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from antialias_plugins.functional import polyphase_norms
from antialias_plugins.functional.arguments import check_choice
from antialias_plugins.functional.polyphase import NORMS
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d


class AdaptivePolyphasePool2d(PolyphasePool2d):
    """Module of `antialias_plugins.functional.adaptive_polyphase_pool2d`, behind a low-pass filter (APS).

    Without `adaptive` it has no parameters and an empty state dict. The authors' code takes strides of 2 and square
    maps only, and its components 1 and 2 are ours 2 and 1.

    Args:
        channels: as in `PolyphasePool2d`, like all others but `norm`.
        norm: ``'l1'``, ``'l2'`` or ``'linf'``. Behind a filter of K >= 2 taps the components of a map that is nowhere
            negative all have the same ``'l1'`` norm: they tie, and nothing is exact.

    Example:
        >>> import torch
        >>> pool, map = AdaptivePolyphasePool2d(filt_size=3), torch.rand(2, 64, 6, 8)
        >>> torch.equal(pool(map.roll((2, 4), (2, 3))), pool(map).roll((1, 2), (2, 3)))
        True
    """

    def __init__(
        self,
        channels: int | None = None,
        stride: int | tuple[int, int] = 2,
        filt_size: int = 1,
        norm: str = 'l2',
        padding_mode: str = 'circular',
        adaptive: Mapping[str, Any] | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(channels, stride, filt_size, padding_mode, adaptive, device=device, dtype=dtype)
        self.norm = check_choice('norm', norm, tuple(NORMS))

    def scores(self, components: Tensor) -> Tensor:
        """Return the `polyphase_norms` (N, P) of components (N, P, C, M_h, M_w), without a gradient."""
        return polyphase_norms(components.detach(), self.norm)

    def extra_repr(self) -> str:
        """List the arguments."""
        return f'{super().extra_repr()}, norm={self.norm!r}'
