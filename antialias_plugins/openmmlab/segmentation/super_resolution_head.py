"""The branch of dual super-resolution that rebuilds the image."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
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
        deep = resize(
            features[-1] if deep is None else deep,
            low_level.shape[-2:],
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )
        decoded = self.decoder(torch.cat([deep, low_level], dim=1))
        return self.upsampling(decoded), decoded
