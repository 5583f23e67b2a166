"""DRN-D: a residual network that dilates where others stride, with maps at an eighth of the image's resolution."""

from typing import Any

from mmcv.cnn import build_norm_layer
from mmengine.model import Sequential
from mmseg.models.backbones.resnet import BasicBlock, Bottleneck
from mmseg.models.utils import ResLayer
from torch import Tensor, nn

from antialias_plugins.openmmlab.segmentation.norm_eval import NormEvalModule


class DilatedBasicBlock(BasicBlock):
    """mmseg's basic block, whose second convolution dilates as well as the first."""

    def __init__(self, inplanes: int, planes: int, stride: int = 1, dilation: int = 1, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, stride, dilation, **kwargs)
        self.conv2.dilation = self.conv2.padding = (dilation, dilation)


# depth: block of the residual layers, blocks or convolutions in each of the layers 1 to 8
ARCHITECTURES: dict[int, tuple[type[nn.Module], tuple[int, ...]]] = {
    22: (DilatedBasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    24: (DilatedBasicBlock, (1, 1, 2, 2, 2, 2, 2, 2)),
    38: (DilatedBasicBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    40: (DilatedBasicBlock, (1, 1, 3, 4, 6, 3, 2, 2)),
    54: (Bottleneck, (1, 1, 3, 4, 6, 3, 1, 1)),
    105: (Bottleneck, (1, 1, 3, 4, 23, 3, 1, 1)),
}
# of the layers 0 to 8: width in units of the first one's, stride, dilation; 3 to 6 are residual
LAYERS = ((1, 1, 1), (1, 1, 1), (2, 2, 1), (4, 2, 1), (8, 2, 1), (16, 1, 2), (32, 1, 4), (32, 1, 2), (32, 1, 1))


class DRN(NormEvalModule):
    """DRN-D of `Dilated Residual Networks <https://arxiv.org/abs/1705.09914>`_ (Yu et al., CVPR 2017).

    In place of a max pool it has two layers of plain convolutions, the second one strided. The layers 5 and 6 dilate by
    2 and 4 where a ResNet would stride; 7 and 8, plain again, dilate less: they remove the grid that dilation leaves.
    The output stride is always 8. Its keys are those of the authors' weights, which also have an ``fc``.

    Args:
        depth: 22, 24, 38 or 40 (basic blocks), 54 or 105 (bottlenecks).
        base_channels: Width of the first layers; the last ones are 32 times as wide.
        out_indices: Layers, 0 to 8, whose maps are returned.
        norm_cfg: The norm layers; default: ``dict(type='BN')``.
        norm_eval: Whether batch norms keep their statistics in training.
        with_cp: Whether residual blocks are computed again in the backward pass, to save memory.
        init_cfg: Initialization; default: Kaiming's, by fan-out, as in the authors' code.

    Shape:
        (N, 3, H, W) to a tuple of maps. By default they are layer 3, (N, 16·base_channels, ⌈H/4⌉, ⌈W/4⌉), with a
        quarter of the channels if the blocks are basic, and layer 8, (N, 32·base_channels, ⌈H/8⌉, ⌈W/8⌉).

    Raises:
        ValueError: If there is no such depth or layer.
    """

    def __init__(
        self,
        depth: int = 54,
        base_channels: int = 16,
        out_indices: tuple[int, ...] = (3, 8),
        norm_cfg: dict[str, Any] | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if depth not in ARCHITECTURES:
            raise ValueError(f'depth must be one of {", ".join(map(str, ARCHITECTURES))}, got {depth}')
        if not out_indices or not set(out_indices) <= set(range(len(LAYERS))):
            raise ValueError(f'out_indices must be layers from 0 to {len(LAYERS) - 1}, got {out_indices}')
        kaiming = [dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm')]
        super().__init__(kaiming if init_cfg is None else init_cfg)
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        block, counts = ARCHITECTURES[depth]
        norm_cfg = norm_cfg or dict(type='BN')
        channels = 3
        for index, (width, stride, dilation) in enumerate(LAYERS):
            planes = width * base_channels
            count = counts[index - 1] if index else 1
            if 3 <= index <= 6:
                layer = ResLayer(block, channels, planes, count, stride, dilation, norm_cfg=norm_cfg, with_cp=with_cp)
                channels = planes * block.expansion
            else:
                layer = _plain(channels, planes, count, stride, dilation, 3 if index else 7, norm_cfg)
                channels = planes
            self.add_module(f'layer{index}', layer)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of the layers in ``out_indices``, the earliest first."""
        maps = []
        for index in range(max(self.out_indices) + 1):
            x = getattr(self, f'layer{index}')(x)
            if index in self.out_indices:
                maps.append(x)
        return tuple(maps)


def _plain(
    channels: int, planes: int, count: int, stride: int, dilation: int, kernel: int, norm_cfg: dict[str, Any]
) -> Sequential:
    """Convolutions, each with its norm and ReLU; the first one strides."""
    steps: list[nn.Module] = []
    for index in range(count):
        padding = dilation * (kernel // 2)
        inputs, step = (planes, 1) if index else (channels, stride)
        conv = nn.Conv2d(inputs, planes, kernel, step, padding, dilation, bias=False)
        steps += [conv, build_norm_layer(norm_cfg, planes)[1], nn.ReLU(inplace=True)]
    return Sequential(*steps)
