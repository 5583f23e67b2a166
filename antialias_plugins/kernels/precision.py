"""In which type and memory format a map N C H W is computed and handed back."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def widen(input: Tensor) -> Tensor:
    """Return half types on the CPU as float32, anything else as it is.

    Accelerators accumulate sums of half types in float32 by themselves. The CPU does not always, and older
    releases lack float16 operators there (torch 2.5 still has no reflection).
    """
    if input.device.type == 'cpu' and input.dtype in (torch.float16, torch.bfloat16):
        return input.float()
    return input


def without_autocast(input: Tensor) -> AbstractContextManager:
    """Turn autocast off on the device of `input`; the meta device has none."""
    return nullcontext() if input.is_meta else torch.autocast(input.device.type, enabled=False)


def is_channels_last(input: Tensor) -> bool:
    """Whether the channels of a position lie next to each other."""
    return 0 < input.stride(1) < input.stride(3)


def as_input(output: Tensor, input: Tensor) -> Tensor:
    """Return `output` in the type of `input`, contiguous in the memory format of `input`.

    Custom operators (the deformable convolutions of mmcv) read a strided view as if it were contiguous.
    """
    return output.to(input.dtype).contiguous(memory_format=_memory_format(input))


def empty_as(input: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """Return an uninitialised map of `shape` in the type (unless told), device and memory format of `input`."""
    return torch.empty(shape, dtype=dtype or input.dtype, device=input.device, memory_format=_memory_format(input))


def _memory_format(input: Tensor) -> torch.memory_format:
    return torch.channels_last if is_channels_last(input) else torch.contiguous_format
