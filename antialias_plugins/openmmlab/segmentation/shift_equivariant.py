"""DeepLabV3+ that commutes with circular shifts of the image: segmentor, head and circular convolution.

`N C H W`: the shape of a map; `h w`: the size of the deepest map.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.conversion.examples import default_example, evaluating
from antialias_plugins.layers import PhaseLink, PolyphasePool2d, PolyphaseUnpool2d
from antialias_plugins.openmmlab.segmentation.deeplab_heads import ProjectedASPPPlusHead


class ShiftEquivariantEncoderDecoder(EncoderDecoder):
    """mmseg's encoder-decoder whose head undoes every subsampling of the encoder, at the phase that the encoder chose.

    In eval mode the logits of a circularly shifted image are the shifted logits, up to the rounding of convolutions,
    for any shift and any sides that are multiples of the output stride::

        model = dict(
            type='ShiftEquivariantEncoderDecoder',
            backbone=dict(
                type='Antialiased', base='ResNet', pool='lps3', convert=dict(stem=True, padding='circular'), ...
            ),
            decode_head=dict(type='PolyphaseASPPHead', ...),
            test_cfg=dict(mode='whole'),
        )

    Encoder and head share links (`antialias_plugins.layers.PhaseLink`), attributes of their modules: copies, pickles,
    averaged models and replicas keep the connection. The state dict has the keys of the backbone and of the head, and
    no others. Auxiliary heads may be any: they do not run at test.

    Args:
        **kwargs: Arguments of mmseg's ``EncoderDecoder``, without a neck. ``decode_head`` is a `PolyphaseASPPHead`.

    Attributes:
        output_stride: What the sides of an image must be multiples of, ``(vertical, horizontal)``.

    Raises:
        ValueError: If there is a neck or another head, the test is not of whole images, or the encoder has no polyphase
            layers, subsamples otherwise too, or pads otherwise than circularly; in a forward pass, if the sides of
            the images are no multiples of the output stride.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        head, mode = self.decode_head, (self.test_cfg or {}).get('mode')
        _require(
            isinstance(head, PolyphaseASPPHead),
            f'decode_head must be a PolyphaseASPPHead, got {type(head).__name__}',
        )
        _require(not self.with_neck, f'neck must be None, got {type(getattr(self, "neck", None)).__name__}')
        _require(mode == 'whole', f"test_cfg.mode must be 'whole', got {mode!r}")
        for name, module in self.backbone.named_modules():
            padded = isinstance(module, nn.Conv2d) and module.padding not in (0, 'valid', (0, 0))
            if padded or isinstance(module, PolyphasePool2d):
                _require(
                    module.padding_mode == 'circular',
                    "borders of the backbone must be circular (convert=dict(padding='circular')), "
                    f'got padding_mode={module.padding_mode!r} in {name}',
                )
        sources = [layer for layer in self.backbone.modules() if isinstance(layer, PolyphasePool2d) and layer.leads]
        _require(
            bool(sources),
            "backbone must have polyphase layers, such as type='Antialiased', pool='aps3', "
            f'got {type(self.backbone).__name__} without any',
        )
        rows, columns = zip(*(pool.stride for pool in sources), strict=True)
        self.output_stride = prod(rows), prod(columns)
        pools, size, map = _observe(self.backbone, sources, self.output_stride, head.in_index)
        _require(
            tuple(side * stride for side, stride in zip(map, self.output_stride, strict=True)) == size,
            'backbone must subsample by polyphase layers only (convert=dict(stem=True)), and in_index be one of its '
            f'smallest maps, got a map of {map} from an image of {size} and polyphase strides of '
            f'{self.output_stride} in all',
        )
        head.connect(pools)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Encode images (N, 3, H, W)."""
        if any(side % stride for side, stride in zip(inputs.shape[2:], self.output_stride, strict=True)):
            raise ValueError(
                'ShiftEquivariantEncoderDecoder: sides of the images must be multiples of the output stride '
                f'{self.output_stride} (data_preprocessor: size or test_cfg=dict(size_divisor=...)), '
                f'got {tuple(inputs.shape[2:])}'
            )
        return super().extract_feat(inputs)


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f'ShiftEquivariantEncoderDecoder: {rule}')


def _observe(
    backbone: nn.Module, sources: Sequence[PolyphasePool2d], strides: tuple[int, int], index: int
) -> tuple[list[PolyphasePool2d], tuple[int, ...], tuple[int, ...]]:
    """The sources of polyphase indices in the order in which they run, and the sizes of an image and of its map."""
    pools: list[PolyphasePool2d] = []
    image = default_example(backbone)
    height, width = (side // stride * stride for side, stride in zip(image.shape[2:], strides, strict=True))
    with evaluating(backbone), torch.no_grad(), ExitStack() as hooks:
        for pool in sources:
            hooks.enter_context(pool.register_forward_pre_hook(lambda pool, args: pools.append(pool)))
        map = backbone(image[..., :height, :width])[index]
    for pool in pools:
        if pool.link is None:
            pool.lead(PhaseLink())
        pool.link.clear()
    return pools, (height, width), tuple(map.shape[2:])


class PolyphaseASPPHead(ProjectedASPPPlusHead):
    """The head of an exactly shift-equivariant DeepLabV3+, for a `ShiftEquivariantEncoderDecoder`.

    It is `ProjectedASPPPlusHead` with three changes: its convolutions wrap around, the mean of the image is broadcast,
    and where maps were interpolated they are unpooled (`PolyphaseUnpool2d`) at the phases that the encoder chose, the
    last one first: the projection up to the low-level map, the logits up to the image. The idea is that of `Learnable
    Polyphase Sampling for Shift Invariant and Equivariant Convolutional Networks <https://arxiv.org/abs/2210.08001>`_
    (Rojas-Gomez et al., 2022), whose code pads one of the dilated convolutions with zeros.

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
            pools: Its sources of polyphase indices in the order in which they run, each with a link.
        """
        self.unpools = nn.Sequential(
            *(PolyphaseUnpool2d(pool.link, pool.stride, self.unpool_filt_size) for pool in reversed(pools))
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Classify every pixel of the image: (N, classes, H, W)."""
        projected, low_level = self._project(inputs), self.c1_bottleneck(inputs[0])
        steps = self._steps(projected.shape[2:], low_level.shape[2:])
        fused = self.fusion(torch.cat([low_level, self.unpools[:steps](projected)], dim=1))
        return self.unpools[steps:](self.cls_seg(fused))

    def _resize(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """Broadcast the mean of the image, the one map that is not unpooled."""
        return x.expand(-1, -1, *size)

    def _steps(self, deep: Sequence[int], low_level: Sequence[int]) -> int:
        """How many times the deepest map is unpooled to get the size of the low-level one."""
        height, width = deep
        for steps, (rows, columns) in enumerate([*(unpool.stride for unpool in self.unpools), (1, 1)]):
            if (height, width) == tuple(low_level):
                return steps
            height, width = height * rows, width * columns
        raise ValueError(
            f'PolyphaseASPPHead: the low-level map must have a size on the way of {len(self.unpools)} unpoolings from '
            f'{tuple(deep)}, got {tuple(low_level)}'
        )


class _GlobalMean(nn.Module):
    """The mean of a map (N, C, H, W) as (N, C, 1, 1), summed in float64, in which a shift changes no order."""

    def forward(self, input: Tensor) -> Tensor:
        return input.mean((2, 3), keepdim=True, dtype=torch.float64).to(input.dtype)


class CircularConv2d(nn.Conv2d):
    """A `torch.nn.Conv2d` of stride 1 that commutes with circular shifts, also where it reaches around more than once.

    ``torch.nn.Conv2d(padding_mode='circular')`` refuses a map that is smaller than its padding, which the dilated
    convolutions of ASPP often meet.

    Args:
        *args, **kwargs: As of `torch.nn.Conv2d`; ``padding``, a number, must keep the size of the map.

    Raises:
        ValueError: If the kernel is not square, or the convolution would change the size of the map.

    Example:
        >>> conv, map = CircularConv2d(2, 3, 3, padding=6, dilation=6), torch.rand(1, 2, 4, 5)
        >>> torch.allclose(conv(map.roll((1, 2), (2, 3))), conv(map).roll((1, 2), (2, 3)), atol=1e-6)
        True
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reaches = {(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)}
        if len(reaches) > 1 or set(self.stride) != {1} or {2 * side for side in self.padding} != reaches:
            raise ValueError(f'CircularConv2d: padding and stride must keep the size of the map, got {self}')
        self.reach = reaches.pop()

    def forward(self, input: Tensor) -> Tensor:
        """Wrap the map around, and convolve."""
        wrapped = kernels.pad2d(input, self.reach + 1, 'circular')
        return F.conv2d(wrapped, self.weight, self.bias, 1, 0, self.dilation, self.groups)
