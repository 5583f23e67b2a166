"""Types, memory formats and sizes of a map N C H W, and the constants that it meets."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from antialias_plugins.kernels.backend import is_compiling

HALF_TYPES = (torch.float16, torch.bfloat16)

_CHANNELS = 128  # that `copy_map_` copies at once into a channels-last map
_POSITIONS = 256  # that it copies at once out of one


def widen(input: Tensor) -> Tensor:
    """Return half types on the CPU as float32, anything else as it is.

    Accelerators accumulate sums of half types in float32 by themselves. The CPU does not always, and older
    releases lack float16 operators there (torch 2.5 still has no reflection).
    """
    return input.float() if input.dtype in HALF_TYPES and input.device.type == 'cpu' else input


def widest_type(device: torch.device) -> torch.dtype:
    """Return float64 on devices that are known to have it, float32 on others, such as Apple's."""
    return torch.float64 if device.type in ('cpu', 'cuda') else torch.float32


def is_on_cpu(map: Tensor) -> bool:
    """Whether the CPU holds the values of a map; one of a `FakeTensorMode` only says so."""
    return map.device.type == 'cpu' and type(map) in (Tensor, torch.nn.Parameter)


def constant(make: Callable) -> Callable:
    """Keep the constants that a function makes of hashable arguments, 64 of them.

    Whatever the first call is made in (inference mode, a default device, a trace), they serve all others. What
    `torch.compile` or a mode that sees every operator has a part in, such as a `FakeTensorMode`, is made anew.
    """

    @functools.lru_cache(maxsize=64)
    def keep(*args):
        with torch.inference_mode(False), torch.device('cpu'), _untraced():
            return make(*args)

    @functools.wraps(make)
    def get(*args):
        return make(*args) if is_compiling() or torch._C._len_torch_dispatch_stack() else keep(*args)

    return get


@contextmanager
def _untraced() -> Iterator[None]:
    """Compute, in a `torch.jit.trace`, what is no part of it."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)
    try:
        yield
    finally:
        torch._C._set_tracing_state(state)


def without_autocast(input: Tensor) -> AbstractContextManager:
    """Turn autocast off on the device of `input`; the meta device has none."""
    return nullcontext() if input.is_meta else torch.autocast(input.device.type, enabled=False)


def is_channels_last(input: Tensor) -> bool:
    """Whether the channels of a position lie next to each other."""
    return 0 < input.stride(1) < input.stride(3)


def memory_format_of(input: Tensor) -> torch.memory_format:
    """Return the memory format of a map, which may be a view of a larger one."""
    return torch.channels_last if is_channels_last(input) else torch.contiguous_format


def as_input(output: Tensor, input: Tensor) -> Tensor:
    """Return `output` in the type of `input`, contiguous in the memory format of `input`.

    Custom operators (the deformable convolutions of mmcv) read a strided view as if it were contiguous.
    """
    return as_type(output, input.dtype).contiguous(memory_format=memory_format_of(input))


def as_type(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a tensor in a type. `torch.Tensor.to` would be recorded, twice, where nothing is to be done."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def empty_as(input: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """Return an uninitialised map of `shape` in the type (unless told), device and memory format of `input`."""
    return torch.empty(shape, dtype=dtype or input.dtype, device=input.device, memory_format=memory_format_of(input))


def as_channels_last(input: Tensor) -> Tensor:
    """Return a map with the channels of a position next to each other. It is not differentiable."""
    if input.is_contiguous(memory_format=torch.channels_last):
        return input
    return copy_map_(torch.empty_like(input, memory_format=torch.channels_last), input)


def copy_map_(target: Tensor, source: Tensor) -> Tensor:
    """Compute ``target.copy_(source)``, between memory formats a part at a time.

    A line of the cache holds some channels of a position on one side, some positions of a channel on the other. Parts
    are small enough for every line to stay there until all of it is copied.
    """
    if is_channels_last(target) == is_channels_last(source):
        return target.copy_(source)
    dim, size = (1, _CHANNELS) if is_channels_last(target) else (2, max(_POSITIONS // target.shape[3], 1))
    for part, copied in zip(target.split(size, dim), source.split(size, dim), strict=True):
        part.copy_(copied)
    return target
