"""The taps of the fixed filter."""

import math

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

_known: WeakIdKeyDictionary = WeakIdKeyDictionary()


def binomial_taps(filt_size: int, device: torch.device | str | None = None) -> Tensor:
    """Return the binomial coefficients of order K - 1, divided by their sum: (K,) in float64."""
    order = filt_size - 1
    return torch.tensor([math.comb(order, i) / 2**order for i in range(filt_size)], dtype=torch.float64, device=device)


def is_binomial(filt: Tensor) -> bool:
    """Whether (K, K) taps are the outer product of `binomial_taps`, without a gradient.

    A GPU is asked once for each tensor, and waited for.
    """
    if filt.requires_grad:
        return False
    version, answer = _known.get(filt, (None, False))
    current = 0 if filt.is_inference() else filt._version
    if version != current:
        taps = binomial_taps(len(filt))
        answer = torch.equal(filt.double().cpu(), torch.outer(taps, taps))
        _known[filt] = (current, answer)
    return answer
