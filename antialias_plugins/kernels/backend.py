"""The choice of an implementation for every filter, and what it depends on.

Each filter has up to three forms with equal values and gradients. The *reference* is written in PyTorch's operators,
which differentiate and record themselves. The *function* is an `torch.autograd.Function` that keeps as little as
possible for the backward pass, and is the quickest on a CPU. The *kernels* are Triton's, for GPUs.
"""

import functools
import importlib.util
import logging
import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils.weak import WeakIdKeyDictionary

BACKENDS = ('auto', 'eager', 'triton')

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_TAPS = 7  # per axis: loops over taps are unrolled
_WINDOW = 3  # likewise
_CAPABILITY = (8, 0)  # of the oldest GPU that Triton supports
_PYTORCH = (2, 5)  # brings the oldest Triton that the kernels were compiled with

# Before torch 2.3 it is not public.
is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling
_logger = logging.getLogger('antialias_plugins')
_known_taps: WeakIdKeyDictionary = WeakIdKeyDictionary()


def _check(backend: str, argument: str = 'backend') -> str:
    if backend not in BACKENDS:
        raise ValueError(f'{argument} must be one of {", ".join(map(repr, BACKENDS))}, got {backend!r}')
    return backend


_VARIABLE = 'ANTIALIAS_PLUGINS_BACKEND'
_own: ContextVar[str | None] = ContextVar('backend of this thread', default=None)
_lock = threading.Lock()
_blocks = [[_check(os.environ.get(_VARIABLE, 'auto'), _VARIABLE)]]  # open in any thread, below them the environment's
_shared = _blocks[-1][0]  # of threads that are in no block


@contextmanager
def use_backend(backend: str) -> Iterator[None]:
    """Choose the implementation of every filter in a ``with`` block.

    The choice is that of the thread, and holds in threads that make none as well, such as those of autograd and of
    data parallelism: there the last block that was entered and not yet left decides. Outside of all blocks the
    environment's ``ANTIALIAS_PLUGINS_BACKEND`` does, as it was at the import.

    Args:
        backend: ``'auto'`` (the default: Triton's kernels for what is on a GPU, if they can be used and at their first
            use agree with the reference; else functions with a backward pass of their own; the reference for a program
            that is recorded or transformed), ``'eager'`` (always the reference: each filter written plainly in
            PyTorch's operators) or ``'triton'`` (an error wherever the kernels cannot be used).

    Raises:
        ValueError: if `backend` is none of these.

    Example:
        >>> with use_backend('eager'):
        ...     pass
    """
    block = [_check(backend)]
    token = _own.set(backend)
    _update(_blocks.append, block)
    try:
        yield
    finally:
        _own.reset(token)
        _update(_remove, block)


def _update(change: Callable[[list[str]], object], block: list[str]) -> None:
    global _shared
    with _lock:
        change(block)
        _shared = _blocks[-1][0]


def _remove(block: list[str]) -> None:
    _blocks[:] = [other for other in _blocks if other is not block]


def _chosen(backend: str | None) -> str:
    """What an argument asks for, else the thread, else whoever chose last."""
    if backend is not None:
        return _check(backend)
    return _shared if is_compiling() else _own.get() or _shared  # torch 2.5 compiles no context variables


def uses_reference(backend: str | None = None) -> bool:
    """Whether the reference computes an op: `backend`, else `use_backend`, asks for it, or a recorded program does."""
    backend = _chosen(backend)
    return backend == 'eager' or (backend == 'auto' and is_transformed())


def uses_triton(
    input: Tensor,
    filt_size: int,
    *,
    filt: Tensor | None = None,
    window: Any = None,
    backend: str | None = None,
    trusted: Callable[[], bool] | None = None,
) -> bool:
    """Whether Triton computes a filter of this map: `backend`, or else `use_backend`, may force or forbid it.

    If it is forced and cannot be used, `can_use_triton` raises the reason; if it is not, it has to be `trusted` too.
    """
    backend = _chosen(backend)
    if backend == 'eager' or (backend == 'auto' and not _is_on_gpu(input)):
        return False
    forced = backend == 'triton'
    usable = can_use_triton(input, filt_size, filt=filt, window=window, raise_error=forced)
    return usable and (forced or trusted is None or trusted())


def can_use_triton(
    input: Tensor,
    filt_size: int,
    *,
    filt: Tensor | None = None,
    window: Any = None,
    raise_error: bool = False,
) -> bool:
    """Whether Triton's kernels can compute a filter. If they cannot, the reason is logged, once, at DEBUG.

    Args:
        input: the map (N, C, H, W).
        filt_size: K.
        filt: (K, K) taps of a fixed filter, if they were given.
        window: the `antialias_plugins.kernels.MaxWindow` of a maximum in front of the filter.
        raise_error: whether to raise the reason, as a ValueError, instead.
    """
    reason = next(_obstacles(input, filt_size, filt, window), None)
    if reason and raise_error:
        raise ValueError(f"backend='triton' cannot be used: {reason}")
    if reason:
        log_once(f'The filters do not use Triton here: {reason}.')
    return not reason


def describe_choice() -> str:
    """Say how the filters are computed on this machine, and why, in one line."""
    backend = _chosen(None)
    if backend == 'eager':
        return f"the reference in PyTorch's operators, as {_VARIABLE} or use_backend asks for"
    sample = torch.empty(1, 8, 8, 8, device='cuda' if torch.cuda.is_available() else 'cpu')
    reason = next(_obstacles(sample, 3, None, None), None)
    if backend == 'triton':
        return f"Triton's kernels, as {_VARIABLE} or use_backend asks for" + (f': an error, {reason}' if reason else '')
    if not _is_on_gpu(sample):
        reason = 'torch finds no GPU'
    if reason is None:
        return "Triton's kernels on the GPU, if they agree with the reference at their first use"
    return f'functions with a backward pass of their own, not Triton: {reason}'


def is_transformed() -> bool:
    """Whether the operators are being recorded or rewritten, not just run.

    `torch.jit.trace`, the ONNX exporters, `torch.export`, `torch.compile`, `torch.func` and forward-mode AD
    differentiate, batch and fuse plain operators by themselves; functions of our own would be in their way.
    """
    if torch.jit.is_tracing() or is_compiling() or torch._C._are_functorch_transforms_active():
        return True
    return forward_ad._current_level >= 0


def static_shape(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape as plain integers, in `torch.jit.trace` too; see `static_sizes`."""
    return static_sizes(tensor.shape)


def static_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return sizes as plain integers, in `torch.jit.trace` too.

    A trace keeps every Python branch of its example; the warning about it is silenced because the branches here only
    check arguments and pick the padding of maps that are smaller than the filter.
    """
    if not torch.jit.is_tracing():
        return tuple(sizes)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        return tuple(int(size) for size in sizes)


def binomial_coefficients(filt_size: int) -> list[float]:
    """Return the K binomial coefficients of order K - 1, divided by their sum."""
    return [math.comb(filt_size - 1, i) / 2 ** (filt_size - 1) for i in range(filt_size)]


def binomial_taps(filt_size: int) -> Tensor:
    """Return `binomial_coefficients` as a tensor (K,) in float64 on the CPU, whatever the default device is."""
    return torch.tensor(binomial_coefficients(filt_size), dtype=torch.float64, device='cpu')


def width_of(filt: Tensor | int) -> int:
    """Return K of a filter: of its (K, K) taps, or K itself, which stands for binomial ones."""
    return filt if isinstance(filt, int) else static_shape(filt)[0]


def is_binomial(filt: Tensor) -> bool:
    """Whether (K, K) taps are the outer product of `binomial_taps`, without a gradient.

    The answer is kept for each tensor until it is changed: a GPU is asked once, and waited for.
    """
    if filt.requires_grad:
        return False
    version, answer = _known_taps.get(filt, (None, False))
    current = 0 if filt.is_inference() else filt._version
    if version != current:
        taps = binomial_taps(len(filt))
        answer = torch.equal(filt.double().cpu(), torch.outer(taps, taps))
        _known_taps[filt] = (current, answer)
    return answer


def _obstacles(input: Tensor, filt_size: int, filt: Tensor | None, window: Any) -> Iterator[str]:
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
    elif torch.__version__ < _PYTORCH:
        yield f'PyTorch must be {_PYTORCH} or newer, whose Triton compiles the kernels, got {torch.__version__}'
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
    from antialias_plugins.kernels.triton.tiles import INTERPRETED

    return INTERPRETED


def _is_on_gpu(input: Tensor) -> bool:
    return input.is_cuda


@functools.cache
def log_once(message: str) -> None:
    """Say it at DEBUG, once in the life of the process."""
    _logger.debug(message)
