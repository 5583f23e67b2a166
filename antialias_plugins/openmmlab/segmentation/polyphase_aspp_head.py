"""The head of DeepLabV3+ without a resize: maps return to the pixels that the encoder took them from.

`N C H W`: the shape of a map; `h w`: the size of the deepest map.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins.layers import PolyphasePool2d, PolyphaseUnpool2d
from antialias_plugins.openmmlab.segmentation.circular_conv import CircularConv2d
from antialias_plugins.openmmlab.segmentation.projected_aspp_head import ProjectedASPPPlusHead


class PolyphaseASPPHead(ProjectedASPPPlusHead):
    """The head of an exactly shift-equivariant DeepLabV3+, for a `ShiftEquivariantEncoderDecoder`.

    It is `ProjectedASPPPlusHead` with three changes: its convolutions wrap around, the mean of the image is broadcast,
    and where maps were interpolated they are unpooled (`PolyphaseUnpool2d`) at the phases that the encoder chose, the
    last one first: the projection up to the low-level map, the logits up to the image. The idea is that of `Learnable
    Polyphase Sampling for Shift Invariant and Equivariant Convolutional Networks <https://arxiv.org/abs/2210.08001>`_
    (Rojas-Gomez et al., 2022), whose code gives one of the dilated convolutions a border of zeros.

    Its state-dict keys are those of `ProjectedASPPPlusHead`: unpooling has no weights.

    Args:
        unpool_filt_size: Taps of the filter behind the unpooling; 3 is bilinear interpolation about the phase.
        **kwargs: Arguments of `ProjectedASPPPlusHead` but for ``conv_cfg``.

    Shape:
        Input: the backbone's maps; that at ``in_index`` is one of the smallest. Output: (N, classes, H, W), the size of
        the image.

    Raises:
        ValueError: If ``conv_cfg`` is given; in a forward pass, if unpooling misses the size of the low-level map.
    """

    def __init__(self, *, unpool_filt_size: int = 3, **kwargs: Any) -> None:
        if kwargs.pop('conv_cfg', None) is not None:
            raise ValueError('PolyphaseASPPHead: conv_cfg must be None, since the convolutions are circular')
        super().__init__(conv_cfg={'type': CircularConv2d}, **kwargs)
        self.image_pool[0] = _GlobalMean()
        self.unpool_filt_size = unpool_filt_size
        self.unpools = nn.Sequential()

    def connect(self, pools: Sequence[PolyphasePool2d]) -> None:
        """Unpool at the phases of an encoder.

        Args:
            pools: Its leading layers in the order in which they run, each with a link.
        """
        self.unpools = nn.Sequential(
            *(PolyphaseUnpool2d(pool.link, pool.stride, self.unpool_filt_size) for pool in reversed(pools))
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Classify every pixel of the image: (N, classes, H, W)."""
        x, low_level = self._transform_inputs(inputs), self.c1_bottleneck(inputs[0])
        steps = self._steps(x.shape[2:], low_level.shape[2:])
        pooled = self.image_pool(x).expand(-1, -1, *x.shape[2:])
        projected = self.projection_dropout(self.bottleneck(torch.cat([*self.aspp_modules(x), pooled], dim=1)))
        fused = self.fusion(torch.cat([low_level, self.unpools[:steps](projected)], dim=1))
        return self.unpools[steps:](self.cls_seg(fused))

    def _steps(self, deep: Sequence[int], low_level: Sequence[int]) -> int:
        """How many times the deepest map is unpooled to get the size of the low-level one."""
        height, width = deep
        for steps in range(len(self.unpools) + 1):
            if (height, width) == tuple(low_level):
                return steps
            if steps < len(self.unpools):
                rows, columns = self.unpools[steps].stride
                height, width = height * rows, width * columns
        raise ValueError(
            f'PolyphaseASPPHead: the low-level map must have a size on the way of {len(self.unpools)} unpoolings from '
            f'{tuple(deep)}, got {tuple(low_level)}'
        )


class _GlobalMean(nn.Module):
    """The mean of a map (N, C, H, W) as (N, C, 1, 1), summed in float64, in which a shift changes no order."""

    def forward(self, input: Tensor) -> Tensor:
        return input.mean((2, 3), keepdim=True, dtype=torch.float64).to(input.dtype)
