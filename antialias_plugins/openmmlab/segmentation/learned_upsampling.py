"""Enlargement of class maps by a transposed convolution."""

import torch
from torch import Tensor, nn


class LearnedUpsampling(nn.ConvTranspose2d):
    """Enlarges by a transposed convolution that begins as bilinear interpolation.

    Its first weights are those of `Fully Convolutional Networks <https://arxiv.org/abs/1411.4038>`_: each channel is
    interpolated by itself (pixels aligned at their areas, zeros beyond the border); training may mix channels.

    Args:
        channels: Channels K.
        factor: Even enlargement.

    Shape:
        ``(N, K, H, W)`` to ``(N, K, factor H, factor W)``.

    Raises:
        ValueError: If ``factor`` is odd.
    """

    def __init__(self, channels: int, factor: int = 2) -> None:
        if factor < 2 or factor % 2:
            raise ValueError(f'factor must be even, got {factor}')
        super().__init__(channels, channels, 2 * factor, stride=factor, padding=factor // 2)

    def reset_parameters(self) -> None:
        """Begin as bilinear interpolation, without bias."""
        with torch.no_grad():
            self.weight.zero_().diagonal().copy_(_tent(self.stride[0])[..., None])
            self.bias.zero_()


def _tent(factor: int) -> Tensor:
    """The taps ``(2 factor, 2 factor)`` of bilinear interpolation."""
    taps = 1 - (torch.arange(2 * factor) - factor + 0.5).abs() / factor
    return torch.outer(taps, taps)
