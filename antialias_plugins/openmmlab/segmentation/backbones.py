"""Backbones of the reference systems: DRN-D, the aligned Xception and a dilated MobileNetV2."""

from itertools import accumulate
from operator import mul
from typing import Any

import timm
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule, Sequential
from mmseg.models.backbones import MobileNetV2
from mmseg.models.backbones.resnet import BasicBlock, Bottleneck
from mmseg.models.utils import ResLayer
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.modules.batchnorm import _BatchNorm

KAIMING = (dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm'))


class NormEvalModule(BaseModule):
    """A backbone whose batch norms stay in eval mode while it trains, if ``norm_eval`` is set, as mmseg's own can."""

    norm_eval = False

    def train(self, mode: bool = True) -> 'NormEvalModule':
        """Set the mode of all modules but frozen norms, which stay in eval mode."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


class DilatedBasicBlock(BasicBlock):
    """mmseg's basic block, whose second convolution dilates as well as the first."""

    def __init__(self, inplanes: int, planes: int, stride: int = 1, dilation: int = 1, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, stride, dilation, **kwargs)
        self.conv2.dilation = self.conv2.padding = (dilation, dilation)


# depth: block of the residual layers, blocks or convolutions in each of the layers 0 to 8
DRN_BLOCKS: dict[int, tuple[type[nn.Module], tuple[int, ...]]] = {
    22: (DilatedBasicBlock, (1, 1, 1, 2, 2, 2, 2, 1, 1)),
    24: (DilatedBasicBlock, (1, 1, 1, 2, 2, 2, 2, 2, 2)),
    38: (DilatedBasicBlock, (1, 1, 1, 3, 4, 6, 3, 1, 1)),
    40: (DilatedBasicBlock, (1, 1, 1, 3, 4, 6, 3, 2, 2)),
    54: (Bottleneck, (1, 1, 1, 3, 4, 6, 3, 1, 1)),
    105: (Bottleneck, (1, 1, 1, 3, 4, 23, 3, 1, 1)),
}
# of the layers 0 to 8: width in units of the first one's, stride, dilation; 3 to 6 are residual
DRN_LAYERS = ((1, 1, 1), (1, 1, 1), (2, 2, 1), (4, 2, 1), (8, 2, 1), (16, 1, 2), (32, 1, 4), (32, 1, 2), (32, 1, 1))


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
        if depth not in DRN_BLOCKS:
            raise ValueError(f'depth must be one of {", ".join(map(str, DRN_BLOCKS))}, got {depth}')
        if not out_indices or not set(out_indices) <= set(range(len(DRN_LAYERS))):
            raise ValueError(f'out_indices must be layers from 0 to {len(DRN_LAYERS) - 1}, got {out_indices}')
        super().__init__(list(KAIMING) if init_cfg is None else init_cfg)
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        block, counts = DRN_BLOCKS[depth]
        norm_cfg = norm_cfg or dict(type='BN')
        channels = 3
        for index, (width, stride, dilation) in enumerate(DRN_LAYERS):
            planes = width * base_channels
            count, residual = counts[index], 3 <= index <= 6
            if residual:
                layer = ResLayer(block, channels, planes, count, stride, dilation, norm_cfg=norm_cfg, with_cp=with_cp)
            else:
                layer = _plain(channels, planes, count, stride, dilation, 3 if index else 7, norm_cfg)
            channels = planes * block.expansion if residual else planes
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
        inputs, step = (planes, 1) if index else (channels, stride)
        conv = nn.Conv2d(inputs, planes, kernel, step, dilation * (kernel // 2), dilation, bias=False)
        steps += [conv, build_norm_layer(norm_cfg, planes)[1], nn.ReLU(inplace=True)]
    return Sequential(*steps)


class AlignedXception(NormEvalModule):
    """Aligned Xception of `DeepLabV3+ <https://arxiv.org/abs/1802.02611>`_ (Chen et al., 2018), from timm.

    It returns the first block's map too, through a ReLU, as pytorch-deeplab-xception does for its decoder; mmseg's
    ``TIMMBackbone`` (``features_only=True``) gives the 256 channels that the paper takes from the second block instead.
    The keys are timm's.

    Args:
        depth: 41, 65 or 71.
        output_stride: 8, 16 or 32.
        norm_cfg: ``dict(type='BN')``, the default, or ``dict(type='SyncBN')``, either with ``requires_grad``.
        norm_eval: Whether batch norms keep their statistics in training.
        pretrained: Whether to download timm's ImageNet weights. They expect images with mean and standard deviation
            127.5 in every channel.
        init_cfg: Initialization; default: Kaiming's, by fan-out, or none with `pretrained`.

    Shape:
        (N, 3, H, W) to (N, 128, ⌈H/4⌉, ⌈W/4⌉) and (N, 2048, ⌈H/output_stride⌉, ⌈W/output_stride⌉).

    Raises:
        ValueError: If an argument is none of these, or `pretrained` and `init_cfg` compete.
    """

    def __init__(
        self,
        depth: int = 65,
        output_stride: int = 16,
        norm_cfg: dict[str, Any] | None = None,
        norm_eval: bool = False,
        pretrained: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        norm_cfg = {'type': 'BN', 'requires_grad': True} | (norm_cfg or {})
        if depth not in (41, 65, 71):
            raise ValueError(f'depth must be 41, 65 or 71, got {depth}')
        _check_stride(output_stride)
        if norm_cfg['type'] not in ('BN', 'SyncBN') or len(norm_cfg) > 2:
            raise ValueError(f"norm_cfg must have type 'BN' or 'SyncBN' and requires_grad only, got {norm_cfg}")
        if pretrained and init_cfg is not None:
            raise ValueError(f'init_cfg must be left out with pretrained=True, got {init_cfg}')
        super().__init__(list(KAIMING) if init_cfg is None and not pretrained else init_cfg)
        network = timm.create_model(
            f'xception{depth}', pretrained=pretrained, output_stride=output_stride, num_classes=0, global_pool=''
        )
        if norm_cfg['type'] == 'SyncBN':
            network = convert_sync_batchnorm(network)  # torch's would lose the activations that timm keeps in norms
        self.stem, self.blocks = network.stem, network.blocks
        self.norm_eval = norm_eval
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.requires_grad_(norm_cfg['requires_grad'])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the low-level map and the last one."""
        low, *others = self.blocks
        x = low_map = low(self.stem(x))
        for block in others:
            x = block(x)
        return relu(low_map), x


# of the seven layers behind the stem, which strides by 2
MOBILENET_STRIDES = (1, 2, 2, 2, 1, 2, 1)


class DilatedMobileNetV2(MobileNetV2):
    """mmseg's `MobileNetV2 <https://arxiv.org/abs/1801.04381>`_ at a given output stride.

    mmseg's own ``dilations`` reach the first block of a layer only; here all its blocks dilate. The keys are the same.

    Args:
        output_stride: 8, 16 or 32.
        padding: What is padded for the 3×3 depthwise convolutions: their own input, ``'depthwise'``, as MobileNetV2
            does, or the input of the ``'block'``, in front of the expansion, as the published weights of
            pytorch-deeplab-xception need it: there the zeros have gone through a norm, and the border differs.
        out_indices: Layers, 0 to 6, whose maps are returned.
        **kwargs: Arguments of mmseg's class, but for ``strides`` and ``dilations``.

    Shape:
        (N, 3, H, W) to a tuple of maps; by default (N, 24, ⌈H/4⌉, ⌈W/4⌉) and (N, 320, ⌈H/output_stride⌉,
        ⌈W/output_stride⌉).

    Raises:
        ValueError: If `output_stride` or `padding` is none of these.
    """

    def __init__(
        self,
        output_stride: int = 16,
        padding: str = 'depthwise',
        out_indices: tuple[int, ...] = (1, 6),
        **kwargs: Any,
    ) -> None:
        _check_stride(output_stride)
        if padding not in ('depthwise', 'block'):
            raise ValueError(f"padding must be 'depthwise' or 'block', got {padding!r}")
        # what is no longer strided dilates from the next layer on
        reached = list(accumulate(MOBILENET_STRIDES, mul, initial=2))
        strides = [
            step if after <= output_stride else 1 for step, after in zip(MOBILENET_STRIDES, reached[1:], strict=True)
        ]
        super().__init__(strides=strides, out_indices=out_indices, **kwargs)
        self.padding = padding
        for name, before in zip(self.layers, reached, strict=False):
            dilation = max(before // output_stride, 1)
            for block in getattr(self, name):
                *expansion, depthwise, _ = (module.conv for module in block.conv)
                depthwise.dilation = depthwise.padding = (dilation, dilation)
                if padding == 'block' and expansion:
                    # a 1×1 convolution without bias that pads computes what it would on a padded map
                    expansion[0].padding, depthwise.padding = depthwise.padding, (0, 0)


def _check_stride(output_stride: int) -> None:
    if output_stride not in (8, 16, 32):
        raise ValueError(f'output_stride must be 8, 16 or 32, got {output_stride}')
