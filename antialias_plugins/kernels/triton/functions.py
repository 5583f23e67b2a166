"""The kernels as tensor functions with gradients. Shapes: N batch, C channels, H W sides, K taps per axis, S stride.

Where a gradient is to be differentiated again, the plain operators compute it; that of the fixed filter is linear, and
needs none.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from antialias_plugins.kernels import eager
from antialias_plugins.kernels.adaptive_filter import FilterPlan
from antialias_plugins.kernels.border import Border, source_of
from antialias_plugins.kernels.linear_map import LinearMap
from antialias_plugins.kernels.max_window import MaxWindow
from antialias_plugins.kernels.padding import border_mode
from antialias_plugins.kernels.precision import empty_as
from antialias_plugins.kernels.triton.adaptive_blur_pool import adaptive_blur_pool2d_fwd
from antialias_plugins.kernels.triton.adaptive_blur_pool_gradients import adaptive_blur_pool2d_bwd
from antialias_plugins.kernels.triton.blur_pool import blur_pool2d_bwd, blur_pool2d_fwd
from antialias_plugins.kernels.triton.max_blur_pool import dense_max_pool2d_bwd, max_blur_pool2d_fwd


class BlurPlan(NamedTuple):
    """What is fixed about a fixed filter, perhaps behind a maximum.

    Attributes:
        filt: (K, K) binomial taps.
        stride: vertical and horizontal S.
        padding_mode: border of the filter.
        window: where the maximum looks.
    """

    filt: Tensor
    stride: tuple[int, int]
    padding_mode: str
    window: MaxWindow | None = None

    def kernel_options(self, sides: tuple[int, int]) -> tuple[int, tuple[int, int], str]:
        """K, S and the border of a map with these sides."""
        return len(self.filt), self.stride, border_mode(self.padding_mode, len(self.filt) // 2, sides)

    def kept(self, sides: tuple[int, int]) -> tuple[int, int]:
        """Sides of the output."""
        return tuple(-(-side // step) for side, step in zip(sides, self.stride, strict=True))


def blur_pool2d(input: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str) -> Tensor:
    """Compute `antialias_plugins.kernels.eager.blur_pool2d`; nothing is kept for the backward pass."""
    plan = BlurPlan(filt, stride, padding_mode)
    sides = input.shape[2:]
    options = plan.kernel_options(sides)

    def blur(map: Tensor) -> Tensor:
        return blur_pool2d_fwd(map, empty_as(map, (*map.shape[:2], *plan.kept(sides))), *options)

    def transpose(grad: Tensor) -> Tensor:
        return blur_pool2d_bwd(grad, empty_as(grad, (*grad.shape[:2], *sides)), *options)

    return LinearMap.apply(input, blur, transpose)


def max_blur_pool2d(
    input: Tensor, window: MaxWindow, filt: Tensor, stride: tuple[int, int], padding_mode: str
) -> Tensor:
    """Compute `eager.dense_max_pool2d` and `eager.blur_pool2d` of it; the input is kept for the backward pass."""
    return MaxBlurPool.apply(input, BlurPlan(filt, stride, padding_mode, window))


def adaptive_blur_pool2d(padded: Tensor, logits: Tensor, plan: FilterPlan) -> Tensor:
    """Compute `eager.adaptive_blur_pool2d`; the logits are kept, and what was padded without its border."""
    return AdaptiveBlurPool.apply(padded, logits, plan, *source_of(padded))


class MaxBlurPool(torch.autograd.Function):
    """``MaxBlurPool.apply(input, plan)``; only the input is kept."""

    @staticmethod
    def forward(ctx, input: Tensor, plan: BlurPlan) -> Tensor:
        """Take the maximum and filter."""
        ctx.save_for_backward(input)
        ctx.plan = plan
        sides = _dense_sides(input, plan.window)
        output = empty_as(input, (*input.shape[:2], *plan.kept(sides)))
        return max_blur_pool2d_fwd(input, output, plan.window, *plan.kernel_options(sides))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        """Find the places of the maxima again."""
        (input,) = ctx.saved_tensors
        plan = ctx.plan
        if torch.is_grad_enabled():
            return _pull_back(lambda map: _max_blur_pool2d(map, plan), (input,), grad)[0], None
        sides = _dense_sides(input, plan.window)
        dense = empty_as(input, (*input.shape[:2], *sides), torch.promote_types(input.dtype, torch.float32))
        blur_pool2d_bwd(grad, dense, *plan.kernel_options(sides))
        return dense_max_pool2d_bwd(dense, input, empty_as(input, input.shape), plan.window), None


class AdaptiveBlurPool(torch.autograd.Function):
    """``AdaptiveBlurPool.apply(padded, logits, plan, map, border)``; only the map and the logits are kept."""

    @staticmethod
    def forward(ctx, padded: Tensor, logits: Tensor, plan: FilterPlan, map: Tensor, border: Border) -> Tensor:
        """Filter."""
        ctx.save_for_backward(map, logits)
        ctx.plan, ctx.border = plan, border
        return adaptive_blur_pool2d_fwd(padded, logits, plan)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Add the border and compute the taps again."""
        map, logits = ctx.saved_tensors
        maps = ctx.border.add(map), logits
        if torch.is_grad_enabled():
            plain = functools.partial(_adaptive_blur_pool2d, plan=ctx.plan)
            return *_pull_back(plain, maps, grad), None, None, None
        return *adaptive_blur_pool2d_bwd(grad, *maps, ctx.plan), None, None, None


def _max_blur_pool2d(input: Tensor, plan: BlurPlan) -> Tensor:
    return eager.blur_pool2d(eager.dense_max_pool2d(input, plan.window), plan.filt, plan.stride, plan.padding_mode)


def _adaptive_blur_pool2d(padded: Tensor, logits: Tensor, plan: FilterPlan) -> Tensor:
    return eager.adaptive_blur_pool2d(padded, logits, *plan)


def _pull_back(function: Callable[..., Tensor], inputs: tuple[Tensor, ...], grad: Tensor) -> tuple[Tensor, ...]:
    """Gradients that can be differentiated again."""
    return torch.func.vjp(function, *inputs)[1](grad)


def _dense_sides(input: Tensor, window: MaxWindow) -> tuple[int, int]:
    """Sides of the map of maxima."""
    return window.side(0, input.shape[2]), window.side(1, input.shape[3])
