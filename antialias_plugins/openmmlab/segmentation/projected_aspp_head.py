"""DeepLab's heads with a 1x1 projection over the branches of ASPP, as their papers have it.

`N C H W`: the shape of a map; `E` the embedding channels (``channels``); `h w` the size of the deepest map.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmseg.models.decode_heads import ASPPHead
from mmseg.models.utils import resize
from torch import Tensor, nn


class ProjectedASPPHead(ASPPHead):
    """The head of `DeepLabV3 <https://arxiv.org/abs/1706.05587>`_, in the form that published PyTorch weights have.

    It differs from mmseg's `ASPPHead` in that the pooled branch comes last and that a 1x1 convolution, not a 3x3,
    projects the branches::

        concat(1x1, 3x3 atrous ..., image pooling) -> 1x1, norm, act -> dropout -> 1x1 to classes

    Args:
        projection_dropout: Probability of zeroing a value of the projected map; mmseg's ``dropout_ratio`` zeroes whole
            channels of what the last convolution reads.
        separable: Make the atrous convolutions depthwise, then pointwise, with one norm and activation after both.
        dropout_ratio: As in mmseg, but none by default.
        **kwargs: Arguments of `ASPPHead`; the branch of dilation 1 is a 1x1 convolution.

    Shape:
        Input: the backbone's maps; the one at ``in_index`` is (N, ``in_channels``, h, w). Output: (N, classes, h, w).
    """

    def __init__(
        self, *, projection_dropout: float = 0.0, separable: bool = False, dropout_ratio: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(dropout_ratio=dropout_ratio, **kwargs)
        self.separable = separable
        branches = len(self.dilations) + 1
        self.bottleneck = self._conv(branches * self.channels, 1)
        self.projection_dropout = nn.Dropout(projection_dropout)
        if separable:
            for index, dilation in enumerate(self.dilations):
                if dilation > 1:
                    self.aspp_modules[index] = self._conv(self.in_channels, 3, dilation)

    def _conv(self, in_channels: int, kernel_size: int, dilation: int = 1) -> nn.Module:
        """A convolution to E channels that keeps the size of the map, with norm and activation."""
        options = {'padding': dilation * (kernel_size // 2), 'dilation': dilation, 'conv_cfg': self.conv_cfg}
        options |= {'norm_cfg': self.norm_cfg, 'act_cfg': self.act_cfg}
        if not self.separable or kernel_size == 1:
            return ConvModule(in_channels, self.channels, kernel_size, **options)
        options |= {'dw_norm_cfg': None, 'dw_act_cfg': None, 'bias': self.norm_cfg is None}
        return DepthwiseSeparableConvModule(in_channels, self.channels, kernel_size, **options)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Project the branches: (N, E, h, w)."""
        x = self._transform_inputs(inputs)
        pooled = resize(self.image_pool(x), size=x.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return self.projection_dropout(self.bottleneck(torch.cat([*self.aspp_modules(x), pooled], dim=1)))


class ProjectedASPPPlusHead(ProjectedASPPHead):
    """The head of `DeepLabV3+ <https://arxiv.org/abs/1802.02611>`_ as in DeepLabV3Plus-Pytorch, which DDAC builds on.

    It differs from mmseg's `DepthwiseSeparableASPPHead` in the projection of `ProjectedASPPHead`, in its dropout, in
    that the low-level map comes first, and in one plain 3x3 convolution where there are two separable ones::

        concat(1x1(low-level map), upsampled projection) -> 3x3, norm, act -> 1x1 to classes

    Args:
        c1_in_channels: Channels of the low-level map, the backbone's first.
        c1_channels: Channels that it is reduced to.
        projection_dropout: As in `ProjectedASPPHead`.
        **kwargs: Arguments of `ProjectedASPPHead`; ``separable`` applies to the 3x3 convolution here too.

    Shape:
        Input: the backbone's maps, the first of them (N, ``c1_in_channels``, H, W). Output: (N, classes, H, W).
    """

    def __init__(
        self, *, c1_in_channels: int, c1_channels: int = 48, projection_dropout: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(projection_dropout=projection_dropout, **kwargs)
        self.c1_bottleneck = ConvModule(
            *(c1_in_channels, c1_channels, 1),
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            act_cfg=self.act_cfg,
        )
        self.fusion = self._conv(c1_channels + self.channels, 3)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Fuse the projection with the low-level map: (N, E, H, W)."""
        projected, low_level = super()._forward_feature(inputs), self.c1_bottleneck(inputs[0])
        projected = resize(projected, size=low_level.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return self.fusion(torch.cat([low_level, projected], dim=1))
