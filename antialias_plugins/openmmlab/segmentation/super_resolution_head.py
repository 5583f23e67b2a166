"""Layers of dual super-resolution: the head that rebuilds the image, and its up-samplings.

The up-samplings are not normalized: they begin with weights that keep the variance of what passes, the last one with 0,
the mean color of the data set. Under PyTorch's own initialization the variance shrinks in every layer, and gradients
with it: the branch learns a mean color and no more.

N: batch, C: channels, H, W: height and width of the features, R: factor of the enlargement.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, constant_init, kaiming_init, normal_init
from mmengine.registry import MODELS
from mmseg.models.utils import resize
from torch import Tensor, nn


class SuperResolutionHead(BaseModule):
    """Single-image super-resolution on the features of a segmentation network; dropped after training.

    DeepLabV3+'s decoder, with weights of its own: the deep features, resized to the low-level ones and stacked on their
    projection, pass two 3×3 convolutions and a 1×1 convolution; `upsampling` makes the image.

    Args:
        in_channels: Channels of the deep features.
        low_level_channels: Channels of the low-level features.
        low_level_index: Which of the backbone's (or neck's) maps has the low-level features.
        projection: Channels of the projected low-level features.
        channels: Channels of the three convolutions.
        dropout: Probability of the dropout after each of the 3×3 convolutions.
        upsampling: What makes the image: ``dict(type='SubPixelUpsampling', factor=8)`` or
            ``dict(type='TransposedUpsampling', factor=8)``, where ``factor`` is the stride of the low-level features
            times the reduction of the input.
        source: Name of the segmentor's module whose output are the deep features, such as ``'decode_head.bottleneck'``,
            the output of DeepLab's pyramid; if None, the last map of the backbone (or neck).
        norm_cfg: Normalization.
        align_corners: How the deep features are resized.
        init_cfg: Initialization.

    Shape:
        Maps of the backbone and deep features ``(N, C, h, w)`` to the image ``(N, 3, factor H, factor W)`` and the
        features ``(N, channels[-1], H, W)`` that it is made from, with H and W of the low-level features.
    """

    def __init__(
        self,
        in_channels: int = 256,
        low_level_channels: int = 256,
        low_level_index: int = 0,
        projection: int = 48,
        channels: tuple[int, int, int] = (256, 128, 64),
        dropout: tuple[float, float] = (0.5, 0.1),
        upsampling: dict[str, Any] | None = None,
        source: str | None = None,
        norm_cfg: dict[str, Any] | None = None,
        align_corners: bool = True,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.low_level_index, self.source, self.align_corners = low_level_index, source, align_corners
        norm = {'norm_cfg': norm_cfg or dict(type='BN')}
        first, second, last = channels
        self.low_level = ConvModule(low_level_channels, projection, 1, **norm)
        self.decoder = nn.Sequential(
            ConvModule(in_channels + projection, first, 3, padding=1, **norm),
            nn.Dropout(dropout[0]),
            ConvModule(first, second, 3, padding=1, **norm),
            nn.Dropout(dropout[1]),
            nn.Conv2d(second, last, 1),
        )
        upsampling = upsampling or dict(type='SubPixelUpsampling', factor=8)
        self.upsampling = MODELS.build({**upsampling, 'in_channels': last})

    def forward(self, features: Sequence[Tensor], deep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the image, in the units of the network's input, and the features that it is made from.

        Args:
            features: Maps of the backbone or neck.
            deep: The deep features; by default the last map.
        """
        low_level = self.low_level(features[self.low_level_index])
        deep = features[-1] if deep is None else deep
        deep = resize(deep, low_level.shape[-2:], None, 'bilinear', self.align_corners, warning=False)
        decoded = self.decoder(torch.cat([deep, low_level], dim=1))
        return self.upsampling(decoded), decoded


class SubPixelUpsampling(nn.Sequential):
    """Convolutions, of which the last predicts all pixels of a square of the image at once, and the shuffle.

    The sub-pixel convolution of `Real-Time Single Image and Video Super-Resolution
    <https://arxiv.org/abs/1609.05158>`_ with its layers: 5×5 to 64, tanh, 3×3 to 32, tanh, 3×3 to 3 R².

    Args:
        in_channels: Channels C of the features.
        factor: Enlargement R.
        channels: Channels of the first two convolutions.

    Shape:
        ``(N, C, H, W)`` to ``(N, 3, R H, R W)``.
    """

    def __init__(self, in_channels: int, factor: int, channels: tuple[int, int] = (64, 32)) -> None:
        first, second = channels
        super().__init__(
            nn.Conv2d(in_channels, first, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(first, second, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(second, 3 * factor**2, 3, padding=1),
            nn.PixelShuffle(factor),
        )
        for index in (0, 2):
            kaiming_init(self[index], mode='fan_in', nonlinearity='tanh')
        constant_init(self[4], 0)


class TransposedUpsampling(nn.Sequential):
    """Stages that each double the size, and a 1×1 convolution to the image.

    The layers of `Dootmaan/DSRL <https://github.com/Dootmaan/DSRL>`_: a stage is a 2×2 transposed convolution of
    stride 2 and a residual block of two 3×3 convolutions, as in EDSR but with a 1×1 convolution as its skip.

    Args:
        in_channels: Channels C of the features.
        factor: Enlargement R, two to the power of the number of stages.
        channels: Channels after each stage.

    Shape:
        ``(N, C, H, W)`` to ``(N, 3, R H, R W)``.

    Raises:
        ValueError: If ``factor`` does not fit the number of stages.
    """

    def __init__(self, in_channels: int, factor: int, channels: Sequence[int] = (64, 32, 16)) -> None:
        if factor != 2 ** len(channels):
            raise ValueError(f'factor must be 2 to the power of the {len(channels)} stages, got {factor}')
        stages = [
            nn.Sequential(nn.ConvTranspose2d(before, after, 2, stride=2), ResidualBlock(after))
            for before, after in zip([in_channels, *channels], channels, strict=False)
        ]
        super().__init__(*stages, nn.Conv2d(channels[-1], 3, 1))
        constant_init(self[-1], 0)
        for double, _ in stages:
            # Windows do not overlap: a pixel has one tap in each channel, of which PyTorch's fans know nothing.
            normal_init(double, std=double.in_channels**-0.5)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a ReLU between them, beside a 1×1 convolution; the former begin with no effect."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels, channels, 1, bias=False)
        kaiming_init(self.conv1, mode='fan_in')
        kaiming_init(self.skip, mode='fan_in', nonlinearity='linear')
        constant_init(self.conv2, 0)

    def forward(self, input: Tensor) -> Tensor:
        """Return a map of the shape of the input."""
        return self.conv2(self.relu(self.conv1(input))) + self.skip(input)


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
            factor = self.stride[0]
            taps = 1 - (torch.arange(2 * factor) - factor + 0.5).abs() / factor
            self.weight.zero_().diagonal().copy_(torch.outer(taps, taps)[..., None])
            self.bias.zero_()
