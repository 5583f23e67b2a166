"""How the tensor functions are computed. This is the one place where an implementation is chosen.

A program that is being transformed gets plain operators (`eager`). One that just runs gets functions that keep as
little as possible for the backward pass, on a GPU those of `triton`. All give the same values and gradients.
"""

import functools

import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.kernels import eager, low_pass
from antialias_plugins.kernels.adaptive_filter import AdaptiveFilter, FilterPlan
from antialias_plugins.kernels.backend import can_use_triton, use_backend, uses_triton
from antialias_plugins.kernels.border import Border, source_of
from antialias_plugins.kernels.dense_max import DenseMax
from antialias_plugins.kernels.linear_map import LinearMap
from antialias_plugins.kernels.max_window import MaxWindow
from antialias_plugins.kernels.padded_conv import PaddedConv2d
from antialias_plugins.kernels.shape import static_shape
from antialias_plugins.kernels.transforms import is_transformed

__all__ = [
    'MaxWindow',
    'adaptive_blur_pool2d',
    'blur_pool2d',
    'can_use_triton',
    'dense_max_pool2d',
    'max_blur_pool2d',
    'pad2d',
    'padded_conv2d',
    'separable_map2d',
    'use_backend',
    'uses_triton',
]


def pad2d(input: Tensor, filt_size: int, padding_mode: str, channels_last: bool = False) -> Tensor:
    """Compute `padding.pad2d`; nothing is kept for the backward pass. `channels_last` is that of `Border`."""
    return Border(filt_size, padding_mode, channels_last).add(input)


def padded_conv2d(padded: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int]) -> Tensor:
    """Compute ``F.conv2d(padded, weight, bias, stride)``; what `pad2d` has padded is kept without its border."""
    if is_transformed():
        return F.conv2d(padded, weight, bias, stride)
    return PaddedConv2d.apply(padded, weight, bias, stride, *source_of(padded))


def blur_pool2d(
    input: Tensor, filt: Tensor, stride: tuple[int, int], padding_mode: str, backend: str | None = None
) -> Tensor:
    """Compute `eager.blur_pool2d`; nothing is kept for the backward pass."""
    if uses_triton(input, static_shape(filt)[0], filt=filt, backend=backend):
        from antialias_plugins.kernels.triton import functions

        return functions.blur_pool2d(input, filt, stride, padding_mode)
    if is_transformed() or filt.requires_grad:
        return eager.blur_pool2d(input, filt, stride, padding_mode)
    options = {'filt': filt, 'stride': stride, 'padding_mode': padding_mode}
    blur = functools.partial(low_pass.blur_pool2d, **options)
    transpose = functools.partial(low_pass.blur_pool2d_transpose, **options, sides=input.shape[2:])
    return LinearMap.apply(input, blur, transpose)


def separable_map2d(input: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute `eager.separable_map2d`; nothing of the input is kept for the backward pass."""
    if is_transformed():
        return eager.separable_map2d(input, rows, columns)
    transpose = functools.partial(eager.separable_map2d, rows=rows.T, columns=columns.T)
    return LinearMap.apply(input, functools.partial(eager.separable_map2d, rows=rows, columns=columns), transpose)


def dense_max_pool2d(input: Tensor, window: MaxWindow) -> Tensor:
    """Compute `eager.dense_max_pool2d`; the input is kept for the backward pass."""
    return eager.dense_max_pool2d(input, window) if is_transformed() else DenseMax.apply(input, window)


def max_blur_pool2d(
    input: Tensor, window: MaxWindow, filt: Tensor, stride: tuple[int, int], padding_mode: str
) -> Tensor:
    """Compute `eager.dense_max_pool2d` and `eager.blur_pool2d` in one pass, where `uses_triton`; the input is kept."""
    from antialias_plugins.kernels.triton import functions

    return functions.max_blur_pool2d(input, window, filt, stride, padding_mode)


def adaptive_blur_pool2d(
    padded: Tensor,
    logits: Tensor,
    filt_size: int,
    stride: tuple[int, int],
    groups: int,
    softmax: str,
    backend: str | None = None,
) -> Tensor:
    """Compute `eager.adaptive_blur_pool2d`; the logits are kept, and what `pad2d` has padded without its border."""
    plan = FilterPlan(filt_size, stride, groups, softmax)
    if uses_triton(padded, filt_size, backend=backend):
        from antialias_plugins.kernels.triton import functions

        return functions.adaptive_blur_pool2d(padded, logits, plan)
    if is_transformed():
        return eager.adaptive_blur_pool2d(padded, logits, *plan)
    return AdaptiveFilter.apply(padded, logits, plan, *source_of(padded))
