"""A module that owns the (K, K) taps of a binomial filter."""

from typing import Any

from torch import Tensor, nn

from antialias_plugins.functional.blur_pool import binomial_filter


class FixedFilter(nn.Module):
    """Keeps the taps in a buffer `filt` that moves with the module and never enters a state dict.

    State dicts of other implementations do contain it; such an entry, of any shape, is passed over when loading.

    Args:
        filt_size: K, at least 1.

    Raises:
        ValueError: if `filt_size` is not a positive integer.
    """

    filt: Tensor

    def __init__(self, filt_size: int) -> None:
        super().__init__()
        self.register_buffer('filt', binomial_filter(filt_size), persistent=False)
        self.filt_size = filt_size

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        entries = {key: value for key, value in state_dict.items() if key != f'{prefix}filt'}
        super()._load_from_state_dict(entries, prefix, *args)
