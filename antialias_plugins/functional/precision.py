"""In which type and memory format a map N C H W is computed and handed back."""

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


def as_input(output: Tensor, input: Tensor) -> Tensor:
    """Return `output` in the type of `input`, contiguous in the memory format of `input`.

    Custom operators (the deformable convolutions of mmcv) read a strided view as if it were contiguous.
    """
    channels_last = 0 < input.stride(1) < input.stride(3)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return output.to(input.dtype).contiguous(memory_format=memory_format)
