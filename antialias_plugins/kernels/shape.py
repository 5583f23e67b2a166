"""Sizes, as numbers or as what stands for them in a recorded program."""

import warnings

import torch
from torch import Tensor


def static_shape(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape as plain integers, in `torch.jit.trace` too.

    A trace keeps every Python branch of its example; the warning about it is silenced because the branches here only
    check arguments and pick the border of maps that are smaller than the filter.
    """
    if not torch.jit.is_tracing():
        return tuple(tensor.shape)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', torch.jit.TracerWarning)
        return tuple(int(size) for size in tensor.shape)


def modulo(positions: Tensor, side: int) -> Tensor:
    """Return integer positions modulo a side.

    The side goes in as a tensor: the ``%`` of ONNX's newer exporter takes no symbol.
    """
    return positions.remainder(positions.new_full((), side))
