"""Implementations of the tensor functions.

One file per op holds its reference in PyTorch's operators, its function with a backward pass of its own, and the call
that takes one of them or the kernel in `triton`, as `backend` decides.
"""

from antialias_plugins.kernels.adaptive_blur_pool import adaptive_blur_pool2d
from antialias_plugins.kernels.backend import (
    can_use_triton,
    is_transformed,
    static_shape,
    static_sizes,
    use_backend,
    uses_reference,
    uses_triton,
)
from antialias_plugins.kernels.blur_pool import binomial_filter, blur_pool2d
from antialias_plugins.kernels.linear import separable_map2d
from antialias_plugins.kernels.max_blur_pool import MaxWindow, dense_max_pool2d, max_blur_pool2d
from antialias_plugins.kernels.padding import pad2d

__all__ = [
    'MaxWindow',
    'adaptive_blur_pool2d',
    'binomial_filter',
    'blur_pool2d',
    'can_use_triton',
    'dense_max_pool2d',
    'is_transformed',
    'max_blur_pool2d',
    'pad2d',
    'separable_map2d',
    'static_shape',
    'static_sizes',
    'use_backend',
    'uses_reference',
    'uses_triton',
]


def __dir__() -> list[str]:
    return __all__
