"""Max pooling without aliasing as a module."""

import torch
from torch import Tensor

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import (
    PADDING_MODES,
    check_choice,
    check_flag,
    check_map,
    check_pair,
    one_or_many,
)
from antialias_plugins.functional.max_blur_pool import check_window
from antialias_plugins.layers.blur_pool import FixedFilter


class MaxBlurPool2d(FixedFilter):
    """Module of `antialias_plugins.functional.max_blur_pool2d`, in place of `torch.nn.MaxPool2d`.

    The arguments are those of the function; `device` and `dtype` are those of `antialias_plugins.layers.BlurPool2d`.

    Example:
        >>> import torch
        >>> MaxBlurPool2d(3, stride=2, padding=1)(torch.rand(2, 64, 112, 112)).shape
        torch.Size([2, 64, 56, 56])
    """

    _printed = ('kernel_size', 'stride', 'padding', 'filt_size', 'padding_mode', 'ceil_mode')

    def __init__(
        self,
        kernel_size: int | tuple[int, int] = 2,
        stride: int | tuple[int, int] = 2,
        padding: int | tuple[int, int] = 0,
        filt_size: int = 4,
        padding_mode: str = 'reflect',
        ceil_mode: bool = False,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(filt_size, device, dtype)
        self.kernel_size, self.padding, *_ = check_window(kernel_size, padding)
        self.stride = check_pair('stride', stride)
        self.padding_mode = check_choice('padding_mode', padding_mode, PADDING_MODES)
        self.ceil_mode = check_flag('ceil_mode', ceil_mode)

    @one_or_many()
    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to the (N, C, H', W') of a max pool."""
        check_map(input)
        window = kernels.MaxWindow(self.kernel_size, self.padding)
        if self.ceil_mode:
            window = window.reaching(input.shape[2:], self.stride)
        return kernels.max_blur_pool2d(input, window, self.filt_size, self.stride, self.padding_mode)
