"""A segmentor that commutes with circular shifts of the image, to the last pixel."""

from math import prod
from typing import Any

import torch
from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from antialias_plugins.conversion.trace import default_example, evaluating
from antialias_plugins.layers import PhaseLink, PolyphasePool2d
from antialias_plugins.openmmlab.segmentation.polyphase_aspp_head import PolyphaseASPPHead


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
            layers, subsamples otherwise too, or has borders that are not circular; in a forward pass, if the sides of
            the images are no multiples of the output stride.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_parts(self)
        _check_borders(self.backbone)
        self.output_stride = _output_stride(self.backbone)
        pools, size, map = _observe(self.backbone, self.output_stride, self.decode_head.in_index)
        if tuple(side * stride for side, stride in zip(map, self.output_stride, strict=True)) != size:
            raise ValueError(
                'ShiftEquivariantEncoderDecoder: backbone must subsample by polyphase layers only (convert=dict('
                f'stem=True)), and in_index be one of its smallest maps, got a map of {map} from an image of {size} '
                f'and polyphase strides of {self.output_stride} in all'
            )
        self.decode_head.connect(pools)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Encode images (N, 3, H, W)."""
        if any(side % stride for side, stride in zip(inputs.shape[2:], self.output_stride, strict=True)):
            raise ValueError(
                'ShiftEquivariantEncoderDecoder: sides of the images must be multiples of the output stride '
                f'{self.output_stride} (data_preprocessor: size or test_cfg=dict(size_divisor=...)), '
                f'got {tuple(inputs.shape[2:])}'
            )
        return super().extract_feat(inputs)


def _leaders(backbone: nn.Module) -> list[PolyphasePool2d]:
    return [module for module in backbone.modules() if isinstance(module, PolyphasePool2d) and module.leads]


def _output_stride(backbone: nn.Module) -> tuple[int, int]:
    strides = [pool.stride for pool in _leaders(backbone)]
    if not strides:
        raise ValueError(
            "ShiftEquivariantEncoderDecoder: backbone must have polyphase layers, such as type='Antialiased', "
            f"pool='aps3', got {type(backbone).__name__} without any"
        )
    rows, columns = zip(*strides, strict=True)
    return prod(rows), prod(columns)


def _observe(
    backbone: nn.Module, strides: tuple[int, int], index: int
) -> tuple[list[PolyphasePool2d], tuple[int, ...], tuple[int, ...]]:
    """The leading layers in the order in which they run, and the sizes of an image and of the map that it gives."""
    pools: list[PolyphasePool2d] = []
    image = default_example(backbone)
    handles = [pool.register_forward_pre_hook(lambda pool, args: pools.append(pool)) for pool in _leaders(backbone)]
    height, width = (side // stride * stride for side, stride in zip(image.shape[2:], strides, strict=True))
    try:
        with evaluating(backbone), torch.no_grad():
            map = backbone(image[..., :height, :width])[index]
    finally:
        for handle in handles:
            handle.remove()
    for pool in pools:
        if pool.link is None:
            pool.lead(PhaseLink())
        pool.link.clear()
    return pools, (height, width), tuple(map.shape[2:])


def _check_parts(model: EncoderDecoder) -> None:
    if not isinstance(model.decode_head, PolyphaseASPPHead):
        raise ValueError(
            'ShiftEquivariantEncoderDecoder: decode_head must be a PolyphaseASPPHead, '
            f'got {type(model.decode_head).__name__}'
        )
    if model.with_neck:
        raise ValueError(f'ShiftEquivariantEncoderDecoder: neck must be None, got {type(model.neck).__name__}')
    mode = (model.test_cfg or {}).get('mode')
    if mode != 'whole':
        raise ValueError(f"ShiftEquivariantEncoderDecoder: test_cfg.mode must be 'whole', got {mode!r}")


def _check_borders(backbone: nn.Module) -> None:
    for name, module in backbone.named_modules():
        padded = isinstance(module, nn.Conv2d) and module.padding not in (0, 'valid', (0, 0))
        if (padded or isinstance(module, PolyphasePool2d)) and module.padding_mode != 'circular':
            raise ValueError(
                "ShiftEquivariantEncoderDecoder: borders of the backbone must be circular (convert=dict(padding='"
                f"circular')), got padding_mode={module.padding_mode!r} in {name}"
            )
