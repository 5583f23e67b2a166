"""A convolution on a torus, however small."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from antialias_plugins import kernels


class CircularConv2d(nn.Conv2d):
    """A `torch.nn.Conv2d` of stride 1 that commutes with circular shifts, also where it reaches around more than once.

    ``torch.nn.Conv2d(padding_mode='circular')`` refuses a map that is smaller than its padding, which the dilated
    convolutions of ASPP often meet.

    Args:
        *args: As of `torch.nn.Conv2d`.
        **kwargs: As of `torch.nn.Conv2d`; ``padding``, a number, must keep the size of the map.

    Shape:
        (N, C, H, W) to (N, ``out_channels``, H, W).

    Raises:
        ValueError: If the kernel is not square, or the convolution would change the size of the map.

    Example:
        >>> import torch
        >>> conv, map = CircularConv2d(2, 3, 3, padding=6, dilation=6), torch.rand(1, 2, 4, 5)
        >>> torch.allclose(conv(map.roll((1, 2), (2, 3))), conv(map).roll((1, 2), (2, 3)), atol=1e-6)
        True
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reaches = {(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)}
        if len(reaches) > 1 or set(self.stride) != {1} or {2 * side for side in self.padding} != reaches:
            raise ValueError(f'CircularConv2d: padding and stride must keep the size of the map, got {self}')
        self.reach = reaches.pop()

    def forward(self, input: Tensor) -> Tensor:
        """Wrap the map around, and convolve."""
        wrapped = kernels.pad2d(input, self.reach + 1, 'circular')
        return F.conv2d(wrapped, self.weight, self.bias, 1, 0, self.dilation, self.groups)
