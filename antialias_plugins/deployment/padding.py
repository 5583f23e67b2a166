"""Explicit padding, for runtimes that pad with zeros only."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from antialias_plugins.functional.arguments import check_choice
from antialias_plugins.kernels import static_shape


class explicit_padding(TorchFunctionMode):
    """Export a network without mirrored and circular padding, which many runtimes lack.

    A context for the call that records the network: `torch.onnx.export`, `torch.jit.trace`, or `torch.export.export`
    with ``strict=False``. Inside, every padding other than with zeros is rewritten: that of the filters, of
    ``padding='circular'``, and of any other module. Nothing about the network itself changes.

    Args:
        border: ``'slices'`` joins the map with slices of itself: the same numbers, from operators that every runtime
            has. ``'replicate'`` repeats the outermost values instead, in one operator; outputs near a border change.

    Raises:
        ValueError: if `border` is none of these, or a map is too small for its border.

    Example:
        >>> pool, map = torch.nn.ReflectionPad2d((1, 0, 0, 0)), torch.arange(3.0).reshape(1, 1, 1, 3)
        >>> with explicit_padding():
        ...     traced = torch.jit.trace(pool, map)
        >>> traced(map), 'reflect' in str(traced.inlined_graph)
        (tensor([[[[1., 0., 1., 2.]]]]), False)
    """

    def __init__(self, border: str = 'slices') -> None:
        super().__init__()
        self.border = check_choice('border', border, ('slices', 'replicate'))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call anything as it is, but `torch.nn.functional.pad`."""
        return (self._pad if func is F.pad else func)(*args, **kwargs or {})

    def _pad(self, input: Tensor, pad: tuple[int, ...], mode: str = 'constant', value: float | None = None) -> Tensor:
        if mode == 'constant':
            return F.pad(input, pad, mode, value)
        if self.border == 'replicate':
            return F.pad(input, pad, 'replicate')
        return pad_by_slices(input, pad, mode)


def pad_by_slices(input: Tensor, pad: tuple[int, ...], mode: str) -> Tensor:
    """Compute `torch.nn.functional.pad` by slices of the map, in which no size is written down.

    Args:
        input: the map.
        pad: values before and after each axis, the last axis first, none of them negative.
        mode: ``'reflect'``, ``'replicate'`` or ``'circular'``.

    Raises:
        ValueError: if the map has too little to reflect or to wrap around.

    Example:
        >>> pad_by_slices(torch.arange(3.0), (2, 1), 'circular')
        tensor([1., 2., 0., 1., 2., 0.])
    """
    for axis in range(len(pad) // 2):
        before, after = pad[2 * axis : 2 * axis + 2]
        side = static_shape(input)[-1 - axis]
        needed = max(before, after) + {'reflect': 1, 'replicate': 0, 'circular': 0}[mode]
        if min(before, after) < 0 or needed > side:
            raise ValueError(f'pad must be from 0 to what a side of {side} has for {mode!r}, got {(before, after)}')
        cuts = _cuts(mode, before, after)
        parts = [input if cut is None else input[(..., cut, *[slice(None)] * axis)] for cut in cuts]
        input = torch.cat(parts, -1 - axis) if len(parts) > 1 else input
    return input


def _cuts(mode: str, before: int, after: int) -> list[slice | None]:
    """What is joined along an axis: slices of it, and None for the axis itself."""
    if mode == 'reflect':
        left = [slice(position, position + 1) for position in range(before, 0, -1)]
        right = [slice(-position - 1, -position) for position in range(1, after + 1)]
    elif mode == 'replicate':
        left, right = [slice(0, 1)] * before, [slice(-1, None)] * after
    else:
        left, right = [slice(-before, None)] * (before > 0), [slice(0, after)] * (after > 0)
    return [*left, None, *right]
