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

    def _conv(self, in_channels: int, kernel_size: int, dilation: int = 1, channels: int | None = None) -> nn.Module:
        """A convolution to `channels`, by default E, that keeps the size of the map, with norm and activation."""
        channels = self.channels if channels is None else channels
        options = {'padding': dilation * (kernel_size // 2), 'dilation': dilation, 'conv_cfg': self.conv_cfg}
        options |= {'norm_cfg': self.norm_cfg, 'act_cfg': self.act_cfg}
        if not self.separable or kernel_size == 1:
            return ConvModule(in_channels, channels, kernel_size, **options)
        options |= {'dw_norm_cfg': None, 'dw_act_cfg': None, 'bias': self.norm_cfg is None}
        return DepthwiseSeparableConvModule(in_channels, channels, kernel_size, **options)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Project the branches: (N, E, h, w)."""
        return self._project(inputs)

    def _project(self, inputs: Sequence[Tensor], size: Sequence[int] | None = None) -> Tensor:
        """The projection of the branches, (N, E, h, w), or resized to another size."""
        x = self._transform_inputs(inputs)
        pooled = self._resize(self.image_pool(x), x.shape[2:])
        projected = self.projection_dropout(self.bottleneck(torch.cat([*self.aspp_modules(x), pooled], dim=1)))
        return projected if size is None else self._resize(projected, size)

    def _resize(self, x: Tensor, size: Sequence[int]) -> Tensor:
        return resize(x, size=size, mode='bilinear', align_corners=self.align_corners)


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
        self.c1_bottleneck = self._conv(c1_in_channels, 1, channels=c1_channels)
        self.fusion = self._conv(c1_channels + self.channels, 3)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Fuse the projection with the low-level map: (N, E, H, W)."""
        low_level = self.c1_bottleneck(inputs[0])
        return self.fusion(torch.cat([low_level, self._project(inputs, low_level.shape[2:])], dim=1))


class DeepLabXceptionHead(ProjectedASPPHead):
    """The head of `DeepLabV3+ <https://arxiv.org/abs/1802.02611>`_ as in pytorch-deeplab-xception.

    It differs from `ProjectedASPPPlusHead` in its dropouts, which zero single values, in that the low-level map comes
    last, and in a second 3x3 convolution::

        concat(upsampled projection, 1x1(low-level map)) -> 2 x (3x3, norm, act, dropout) -> 1x1 to classes

    Args:
        c1_in_channels, c1_channels: As there, and in the same shapes.
        projection_dropout: As in `ProjectedASPPHead`.
        fusion_dropouts: Probabilities behind the two 3x3 convolutions.
        align_corners: As in mmseg, but True by default.
        **kwargs: Arguments of `ProjectedASPPHead`; ``separable`` applies to the 3x3 convolutions here too.
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
        self.c1_bottleneck = self._conv(c1_in_channels, 1, channels=c1_channels)
        first, second = fusion_dropouts
        self.fusion = nn.Sequential(
            *(self._conv(self.channels + c1_channels, 3), nn.Dropout(first)),
            *(self._conv(self.channels, 3), nn.Dropout(second)),
        )

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Fuse the projection with the low-level map: (N, E, H, W)."""
        low_level = self.c1_bottleneck(inputs[0])
        return self.fusion(torch.cat([self._project(inputs, low_level.shape[2:]), low_level], dim=1))
