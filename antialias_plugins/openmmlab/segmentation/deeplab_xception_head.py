"""The decoder of pytorch-deeplab-xception."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.utils import resize
from torch import Tensor, nn

from antialias_plugins.openmmlab.segmentation.projected_aspp_head import ProjectedASPPHead


class DeepLabXceptionHead(ProjectedASPPHead):
    """The head of `DeepLabV3+ <https://arxiv.org/abs/1802.02611>`_ as in pytorch-deeplab-xception.

    It differs from `ProjectedASPPPlusHead` in its dropouts, which zero single values, in that the low-level map comes
    last, and in a second 3x3 convolution::

        concat(upsampled projection, 1x1(low-level map)) -> 2 x (3x3, norm, act, dropout) -> 1x1 to classes

    Args:
        c1_in_channels: Channels of the low-level map, the backbone's first.
        c1_channels: Channels that it is reduced to.
        projection_dropout: As in `ProjectedASPPHead`.
        fusion_dropouts: Probabilities behind the two 3x3 convolutions.
        align_corners: As in mmseg, but True by default.
        **kwargs: Arguments of `ProjectedASPPHead`; ``separable`` applies to the 3x3 convolutions here too.

    Shape:
        Input: the backbone's maps, the first of them (N, ``c1_in_channels``, H, W). Output: (N, classes, H, W).
    """

    def __init__(
        self,
        *,
        c1_in_channels: int,
        c1_channels: int = 48,
        projection_dropout: float = 0.5,
        fusion_dropouts: tuple[float, float] = (0.5, 0.1),
        align_corners: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(projection_dropout=projection_dropout, align_corners=align_corners, **kwargs)
        self.c1_bottleneck = ConvModule(
            *(c1_in_channels, c1_channels, 1),
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )
        first, second = fusion_dropouts
        self.fusion = nn.Sequential(
            *(self._conv(self.channels + c1_channels, 3), nn.Dropout(first)),
            *(self._conv(self.channels, 3), nn.Dropout(second)),
        )

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Fuse the projection with the low-level map: (N, E, H, W)."""
        projected, low_level = super()._forward_feature(inputs), self.c1_bottleneck(inputs[0])
        projected = resize(projected, size=low_level.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return self.fusion(torch.cat([projected, low_level], dim=1))
