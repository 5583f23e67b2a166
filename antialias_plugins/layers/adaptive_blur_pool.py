"""Content-aware low-pass downsampling as a module."""

import torch
from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.functional import arguments
from antialias_plugins.kernels.maps import as_input
from antialias_plugins.layers.blur_pool import FilterModule
from antialias_plugins.layers.padded_conv import PaddedConv2d


class AdaptiveBlurPool2d(FilterModule):
    """Predicts the taps from the input, then `antialias_plugins.functional.adaptive_blur_pool2d`.

    From `Delving Deeper into Anti-aliasing in ConvNets <https://arxiv.org/abs/2008.09604>`_ (Zou et al., 2020). The
    logits are ``bn(conv(padded input))``, computed at the kept positions only. In eval mode that changes nothing; in
    train mode the batch statistics of `bn` are those of the kept positions, where the authors' code takes them over all
    positions before it drops the others.

    Args:
        channels: C, a multiple of `groups`.
        filt_size: K, odd. The others are those of the function.
        device, dtype: of the parameters, as in torch's layers.

    Attributes:
        conv: `torch.nn.Conv2d`, C to G * K * K channels, K x K, stride S, no bias.
        bn: `torch.nn.BatchNorm2d` of G * K * K channels.

    Example:
        >>> import torch
        >>> AdaptiveBlurPool2d(64)(torch.rand(2, 64, 57, 56)).shape
        torch.Size([2, 64, 29, 28])
    """

    _printed = ('channels', 'filt_size', 'stride', 'groups', 'padding_mode', 'softmax')

    def __init__(
        self,
        channels: int,
        filt_size: int = 3,
        stride: int | tuple[int, int] = 2,
        groups: int = 8,
        padding_mode: str = 'reflect',
        softmax: str = 'group',
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.filt_size = arguments.check_odd('filt_size', filt_size)
        self.stride = arguments.check_pair('stride', stride)
        self.groups = arguments.check_groups(channels, groups)
        self.padding_mode = arguments.check_choice('padding_mode', padding_mode, arguments.PADDING_MODES)
        self.softmax = arguments.check_choice('softmax', softmax, arguments.SOFTMAXES)
        placement = arguments.check_placement(device, dtype)
        self.conv = PaddedConv2d(channels, groups * filt_size**2, filt_size, self.stride, bias=False, **placement)
        self.bn = nn.BatchNorm2d(groups * filt_size**2, **placement)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise `conv` as the authors do (Kaiming, fan out) and reset `bn`."""
        self.conv.reset_parameters()
        self.bn.reset_parameters()

    @arguments.one_or_many()
    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        arguments.check_map(input, self.channels)
        padded = kernels.pad2d(input, self.filt_size, self.padding_mode, channels_last=True)
        logits = self.bn(self.conv(padded))
        output = kernels.adaptive_blur_pool2d(padded, logits, self.filt_size, self.stride, self.groups, self.softmax)
        return as_input(output, input)
