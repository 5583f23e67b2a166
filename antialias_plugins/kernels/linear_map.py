"""Linear maps with a backward pass of their own."""

from collections.abc import Callable

import torch
from torch import Tensor


class LinearMap(torch.autograd.Function):
    """``LinearMap.apply(input, map, transpose)`` is ``map(input)``; its gradient is ``transpose(grad)``.

    A linear map needs nothing of its input to be differentiated, so nothing is kept, and the gradient of the gradient
    is the map again.
    """

    @staticmethod
    def forward(ctx, input: Tensor, map: Callable[[Tensor], Tensor], transpose: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply the map."""
        ctx.map, ctx.transpose = map, transpose
        return map(input)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        """Apply the transpose."""
        return LinearMap.apply(grad, ctx.transpose, ctx.map), None, None

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_: None) -> Tensor:
        """Apply the map to the direction."""
        return LinearMap.apply(tangent, ctx.map, ctx.transpose)
