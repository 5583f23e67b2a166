"""Explicit padding, for runtimes that pad with zeros only."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from antialias_plugins.functional.arguments import check_choice
from antialias_plugins.kernels.padding import pad_by_slices


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
        >>> import torch
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
