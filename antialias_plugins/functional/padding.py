"""Borders: how a map N C H W grows by K - 1 so that a filter of K taps sees every position."""

import functools
import logging

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.functional.arguments import PADDING_MODES, check_choice
from antialias_plugins.functional.precision import widen
from antialias_plugins.kernels.shape import static_shape

_logger = logging.getLogger('antialias_plugins')
# Before torch 2.3 it is not public.
_is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling


def pad2d(input: Tensor, filt_size: int, padding_mode: str = 'reflect') -> Tensor:
    """Pad ``floor((K - 1) / 2)`` at the left and top and ``ceil((K - 1) / 2)`` at the right and bottom.

    With an odd K the window of an output sits centred on its input position; an even K has one tap more after it than
    before (K = 4 pads 1 and 2), which is what keeps the size of the output at ``ceil(H / S)``.

    Reflection needs more rows than it pads. On a smaller map ``'reflect'`` becomes ``'replicate'``, which is logged
    once at DEBUG. Circular padding wraps as often as it takes.

    Args:
        input: (N, C, H, W).
        filt_size: K, at least 1.
        padding_mode: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``.

    Returns:
        (N, C, H + K - 1, W + K - 1).

    Raises:
        ValueError: if `padding_mode` is none of the four.
    """
    check_choice('padding_mode', padding_mode, PADDING_MODES)
    before, after = (filt_size - 1) // 2, filt_size // 2
    if after == 0:
        return input
    side = min(static_shape(input)[2:])
    if padding_mode == 'circular' and after > side:
        return _wrap(_wrap(input, 2, before, after), 3, before, after)
    if padding_mode == 'reflect' and after >= side:
        padding_mode = 'replicate'
        if not (_is_compiling() or torch.jit.is_tracing()):
            _log_fallback()
    mode = 'constant' if padding_mode == 'zeros' else padding_mode
    return F.pad(widen(input), (before, after, before, after), mode).to(input.dtype)


def _wrap(input: Tensor, dim: int, before: int, after: int) -> Tensor:
    """Circular padding of one axis by any amount (torch stops at one turn)."""
    size = input.shape[dim]
    return input.index_select(dim, torch.arange(-before, size + after, device=input.device) % size)


@functools.cache
def _log_fallback() -> None:
    """Say it once in the life of the process."""
    _logger.debug('A map is too small for reflect padding: replicate is used there.')
