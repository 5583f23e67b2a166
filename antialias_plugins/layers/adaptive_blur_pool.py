"""Content-aware low-pass downsampling as a module."""

from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import (
    PADDING_MODES,
    SOFTMAXES,
    check_choice,
    check_groups,
    check_map,
    check_odd,
    check_pair,
)
from antialias_plugins.kernels.maps import as_input
from antialias_plugins.layers.padded_conv import PaddedConv2d


class AdaptiveBlurPool2d(nn.Module):
    """Predicts the taps from the input, then `antialias_plugins.functional.adaptive_blur_pool2d`.

    From `Delving Deeper into Anti-aliasing in ConvNets <https://arxiv.org/abs/2008.09604>`_ (Zou et al., 2020). The
    logits are ``bn(conv(padded input))``, computed at the kept positions only. In eval mode that changes nothing; in
    train mode the batch statistics of `bn` are those of the kept positions, where the authors' code takes them over all
    positions before it drops the others.

    Args:
        channels: C, a multiple of `groups`.
        filt_size: K, odd.
        stride: S, at least 1, for both axes or as ``(vertical, horizontal)``.
        groups: G, the number of channel groups with taps of their own.
        padding_mode: ``'zeros'``, ``'reflect'``, ``'replicate'`` or ``'circular'``.
        softmax: ``'group'`` (the paper) or ``'joint'`` (the authors' code and weights), as in the function.

    Attributes:
        conv: `torch.nn.Conv2d`, C to G * K * K channels, K x K, stride S, no bias.
        bn: `torch.nn.BatchNorm2d` of G * K * K channels.

    Shape:
        (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S)).

    Raises:
        ValueError: if an argument, or the number of channels of an input, breaks a rule above.

    Example:
        >>> import torch
        >>> AdaptiveBlurPool2d(64)(torch.rand(2, 64, 57, 56)).shape
        torch.Size([2, 64, 29, 28])
    """

    def __init__(
        self,
        channels: int,
        filt_size: int = 3,
        stride: int | tuple[int, int] = 2,
        groups: int = 8,
        padding_mode: str = 'reflect',
        softmax: str = 'group',
    ) -> None:
        super().__init__()
        self.channels = channels
        self.filt_size = check_odd('filt_size', filt_size)
        self.stride = check_pair('stride', stride)
        self.groups = check_groups(channels, groups)
        self.padding_mode = check_choice('padding_mode', padding_mode, PADDING_MODES)
        self.softmax = check_choice('softmax', softmax, SOFTMAXES)
        self.conv = PaddedConv2d(channels, groups * filt_size**2, filt_size, self.stride, bias=False)
        self.bn = nn.BatchNorm2d(groups * filt_size**2)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise `conv` as the authors do (Kaiming, fan out) and reset `bn`."""
        nn.init.kaiming_normal_(self.conv.weight, mode='fan_out', nonlinearity='relu')
        self.bn.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        check_map(input, self.channels)
        padded = kernels.pad2d(input, self.filt_size, self.padding_mode, channels_last=True)
        logits = self.bn(self.conv(padded))
        output = kernels.adaptive_blur_pool2d(padded, logits, self.filt_size, self.stride, self.groups, self.softmax)
        return as_input(output, input)

    def extra_repr(self) -> str:
        """List the arguments."""
        return (
            f'{self.channels}, filt_size={self.filt_size}, stride={self.stride}, groups={self.groups}, '
            f'padding_mode={self.padding_mode!r}, softmax={self.softmax!r}'
        )
