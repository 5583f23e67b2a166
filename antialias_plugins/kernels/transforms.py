"""Whether a program is run or transformed."""

import torch

# Before torch 2.3 it is not public.
_is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._utils.is_compiling


def is_transformed() -> bool:
    """Whether the operators are being recorded or rewritten, not just run.

    `torch.jit.trace`, the ONNX exporters, `torch.export`, `torch.compile` and `torch.func` differentiate, batch and
    fuse plain operators by themselves; functions of our own would be in their way.
    """
    return torch.jit.is_tracing() or _is_compiling() or torch._C._are_functorch_transforms_active()
