"""Triton's kernels are held against the reference, on a small map, before they are used for the first time.

A kernel that is right on one GPU and release of Triton may be wrong on the next. What nobody has tried here is tried in
the process that is about to rely on it: values and gradients, once for each op, its settings, type and memory format of
its maps, and device.
"""

import warnings
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from antialias_plugins.kernels.backend import log_once
from antialias_plugins.kernels.maps import HALF_TYPES, is_channels_last, memory_format_of

# Of the largest value, in units of the type's rounding: sums in float32 over a window, or over the channels of a group.
_ROUNDINGS, _HALF_ROUNDINGS = 128, 8

_verdicts: dict[Hashable, bool] = {}


class Op(NamedTuple):
    """What is compared.

    Attributes:
        name: Of the op, for the warning.
        kernel: Maps and settings to the result, by Triton.
        reference: The same in PyTorch's operators, on a CPU.
        shapes: From the shape of the first map and the settings to the shapes of maps that are quickly tried.
    """

    name: str
    kernel: Callable[..., Tensor]
    reference: Callable[..., Tensor]
    shapes: Callable[..., list[tuple[int, ...]]]


def is_trusted(op: Op, maps: tuple[Tensor, ...], *settings: Hashable) -> bool:
    """Whether the kernel of an op has agreed with its reference, which is found out the first time.

    If it differs or fails, a RuntimeWarning says so once, and the answer remains no. While a CUDA graph is captured
    nothing is tried: what is not known then is not trusted in that graph.

    Args:
        op: What is compared.
        maps: Those of the call that is about to be made: type, device, memory format and channels are theirs.
        settings: What else the op is called with.
    """
    key = op.name, settings, maps[0].device, *((map.dtype, is_channels_last(map)) for map in maps)
    verdict = _verdicts.get(key)
    if verdict is not None:
        return verdict
    if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
        log_once(f'A CUDA graph is captured before the kernel of {op.name} was used once: it takes plain operators.')
        return False
    obstacle = _try(op, maps, settings)
    if obstacle and key not in _verdicts:
        formats = ', '.join(f'{map.dtype} {memory_format_of(map)}'.replace('torch.', '') for map in maps)
        warnings.warn(
            f"Triton's kernel of {op.name}, for {formats} on {maps[0].device} and {settings}, {obstacle}. It is not "
            'used in this process: PyTorch computes the filter, as with ANTIALIAS_PLUGINS_BACKEND=eager.',
            RuntimeWarning,
            stacklevel=2,
        )
    # Without a lock: a thread that waited for another's backward pass could be what that one waits for.
    return _verdicts.setdefault(key, not obstacle)


def _try(op: Op, maps: tuple[Tensor, ...], settings: tuple[Hashable, ...]) -> str:
    """What is wrong with a kernel; empty if nothing is.

    Nothing of the caller's reaches in here or is changed: no mode, no hook on what is saved, no random state.
    """
    with ExitStack() as isolation:
        isolation.enter_context(torch._C.DisableTorchFunction())
        isolation.enter_context(torch.inference_mode(False))
        isolation.enter_context(torch.enable_grad())
        isolation.enter_context(torch.autocast(maps[0].device.type, enabled=False))
        isolation.enter_context(torch.autograd.graph.saved_tensors_hooks(lambda kept: kept, lambda kept: kept))
        isolation.enter_context(_disable_current_modes())
        try:
            return _difference(op, maps, settings)
        except Exception as error:  # of Triton's compiler, of the driver: any reason is one not to rely on it
            return f'fails: {type(error).__name__}: {error}'


def _difference(op: Op, maps: tuple[Tensor, ...], settings: tuple[Hashable, ...]) -> str:
    shapes = op.shapes(maps[0].shape, *settings)
    drawn = [_draw(shape, index).to(map.dtype) for index, (shape, map) in enumerate(zip(shapes, maps, strict=True))]
    tried = [
        one.to(map.device).contiguous(memory_format=memory_format_of(map)).requires_grad_()
        for one, map in zip(drawn, maps, strict=True)
    ]
    exact = [one.double().requires_grad_() for one in drawn]
    expected = op.reference(*exact, *settings)
    output = op.kernel(*tried, *settings)
    cotangent = _draw(tuple(expected.shape), len(drawn)).to(output.dtype)
    gradients = torch.autograd.grad(output, tried, cotangent.to(output.device))
    wanted = torch.autograd.grad(expected, exact, cotangent.double())
    names = ['values', *(f'gradients of map {index + 1}' for index in range(len(tried)))]
    for name, one, other in zip(names, (output, *gradients), (expected, *wanted), strict=True):
        error, scale = (one.detach().cpu().double() - other).abs().max().item(), other.abs().max().clamp_min(1).item()
        roundings = _HALF_ROUNDINGS if one.dtype in HALF_TYPES else _ROUNDINGS
        if not error <= roundings * torch.finfo(one.dtype).eps * scale:
            return f'computes {name} that are off by {error:.2g} of {scale:.2g}'
    return ''


def _draw(shape: tuple[int, ...], index: int) -> Tensor:
    """Numbers between -1 and 1 without a random generator, other ones for every index, in float64 on the CPU."""
    count = torch.Size(shape).numel()
    return torch.arange(1, count + 1, dtype=torch.float64, device='cpu').mul_(0.7 + 0.1 * index).sin_().view(shape)
