"""Which implementation computes a filter: plain PyTorch, or Triton kernels on a GPU."""

import functools
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from antialias_plugins.kernels.binomial import is_binomial
from antialias_plugins.kernels.max_window import MaxWindow
from antialias_plugins.kernels.transforms import is_transformed

BACKENDS = ('auto', 'eager', 'triton')

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_TAPS = 7  # per axis: loops over taps are unrolled
_WINDOW = 3  # likewise
_CAPABILITY = (8, 0)  # of the oldest GPU that Triton supports

_logger = logging.getLogger('antialias_plugins')
_default = 'auto'


@contextmanager
def use_backend(backend: str) -> Iterator[None]:
    """Choose the implementation of every filter in a ``with`` block, in all threads.

    Args:
        backend: ``'auto'`` (the default: Triton for what is on a GPU, if it can be used), ``'eager'`` (PyTorch's own
            operators) or ``'triton'`` (an error wherever it cannot be used).

    Raises:
        ValueError: if `backend` is none of these.

    Example:
        >>> with use_backend('eager'):
        ...     pass
    """
    global _default
    before, _default = _default, _check(backend)
    try:
        yield
    finally:
        _default = before


def uses_triton(
    input: Tensor,
    filt_size: int,
    *,
    filt: Tensor | None = None,
    window: MaxWindow | None = None,
    backend: str | None = None,
) -> bool:
    """Whether Triton computes a filter of this map: `backend`, or else `use_backend`, may force or forbid it.

    Raises:
        ValueError: if it is forced and `can_use_triton` is false, or `backend` is not one.
    """
    backend = _default if backend is None else _check(backend)
    if backend == 'auto' and (not input.is_cuda or is_transformed()):
        return False
    return backend != 'eager' and can_use_triton(
        input, filt_size, filt=filt, window=window, raise_error=backend == 'triton'
    )


def can_use_triton(
    input: Tensor,
    filt_size: int,
    *,
    filt: Tensor | None = None,
    window: MaxWindow | None = None,
    raise_error: bool = False,
) -> bool:
    """Whether Triton's kernels can compute a filter. If they cannot, the reason is logged, once, at DEBUG.

    Args:
        input: the map (N, C, H, W).
        filt_size: K.
        filt: (K, K) taps of a fixed filter, if they were given.
        window: where a maximum in front of the filter looks.
        raise_error: whether to raise the reason instead.

    Raises:
        ValueError: the reason, if `raise_error`.
    """
    reason = next(_obstacles(input, filt_size, filt, window), None)
    if reason and raise_error:
        raise ValueError(f"backend='triton' cannot be used: {reason}")
    if reason:
        _log(reason)
    return not reason


def _obstacles(input: Tensor, filt_size: int, filt: Tensor | None, window: MaxWindow | None) -> Iterator[str]:
    """Every rule that is broken, the cheapest to check first."""
    if is_transformed():
        yield 'a program that is traced, compiled, exported or transformed by torch.func takes plain operators'
    if input.dtype not in _DTYPES:
        yield f'input must be float16, bfloat16, float32 or float64, got {input.dtype}'
    if filt_size > _TAPS:
        yield f'filt_size must be at most {_TAPS}, got {filt_size}'
    if window and (max(window.kernel_size) > _WINDOW or window.dilation != (1, 1)):
        yield f'the window of the maximum must be at most {_WINDOW} wide and not dilated, got {window}'
    if not _is_installed():
        yield 'triton is not installed'
    elif type(input) not in (Tensor, torch.nn.Parameter):
        yield f'input must be an ordinary tensor, got {type(input).__name__}'
    elif input.is_cuda and (capability := torch.cuda.get_device_capability(input.device)) < _CAPABILITY:
        yield f'the GPU must have compute capability {_CAPABILITY} or more, got {capability}'
    elif not input.is_cuda and not (input.device.type == 'cpu' and _is_interpreted()):
        yield f'input must be on a GPU (or TRITON_INTERPRET=1 be set), got {input.device}'
    elif filt is not None and not is_binomial(filt):
        yield 'filt must have the taps of binomial_filter, without a gradient: the kernels know no others'


@functools.cache
def _is_installed() -> bool:
    return importlib.util.find_spec('triton') is not None


def _is_interpreted() -> bool:
    from antialias_plugins.kernels.triton.language import INTERPRETED

    return INTERPRETED


def _check(backend: str) -> str:
    if backend not in BACKENDS:
        raise ValueError(f'backend must be one of {", ".join(map(repr, BACKENDS))}, got {backend!r}')
    return backend


@functools.cache
def _log(reason: str) -> None:
    """Say it once in the life of the process."""
    _logger.debug('The filters do not use Triton here: %s.', reason)
