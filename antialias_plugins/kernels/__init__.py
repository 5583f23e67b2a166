"""How the tensor functions are computed. This is the one place where an implementation is chosen."""

from antialias_plugins.kernels.eager import adaptive_blur_pool2d, blur_pool2d

__all__ = ['adaptive_blur_pool2d', 'blur_pool2d']
