"""The layer between the segmentation and the affinity loss of dual super-resolution."""

from typing import Any

from mmcv.cnn import build_norm_layer
from torch import nn


class FeatureTransform(nn.Sequential):
    """1×1 convolution, normalization and ReLU, which bring features of the segmentation closer to those of the image.

    Args:
        in_channels: Channels of the segmentation's features.
        channels: Channels of the result.
        source: Name of the segmentor's module whose output are the segmentation's features, compared with the features
            of the super-resolution branch; such as ``'decode_head.sep_bottleneck'``. If None, the segmentation's logits
            are compared with the super-resolved image, both at full size.
        norm_cfg: Normalization, by default ``dict(type='BN')``.

    Shape:
        ``(N, in_channels, H, W)`` to ``(N, channels, H, W)``.
    """

    def __init__(
        self, in_channels: int, channels: int, source: str | None = None, norm_cfg: dict[str, Any] | None = None
    ) -> None:
        _, norm = build_norm_layer(norm_cfg or dict(type='BN'), channels)
        super().__init__(nn.Conv2d(in_channels, channels, 1), norm, nn.ReLU())
        self.source = source
