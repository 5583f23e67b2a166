"""MobileNetV2 with dilation in place of its last strides."""

from typing import Any

from mmseg.models.backbones import MobileNetV2

# of the seven layers behind the stem, which strides by 2
STRIDES = (1, 2, 2, 2, 1, 2, 1)


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
        if output_stride not in (8, 16, 32):
            raise ValueError(f'output_stride must be 8, 16 or 32, got {output_stride}')
        if padding not in ('depthwise', 'block'):
            raise ValueError(f"padding must be 'depthwise' or 'block', got {padding!r}")
        strides, dilations = _dilate(output_stride)
        super().__init__(strides=strides, out_indices=out_indices, **kwargs)
        self.padding = padding
        for name, dilation in zip(self.layers, dilations, strict=True):
            for block in getattr(self, name):
                *expansion, depthwise, _ = (module.conv for module in block.conv)
                depthwise.dilation = depthwise.padding = (dilation, dilation)
                if padding == 'block' and expansion:
                    # a 1×1 convolution without bias that pads computes what it would on a padded map
                    expansion[0].padding, depthwise.padding = depthwise.padding, (0, 0)


def _dilate(output_stride: int) -> tuple[list[int], list[int]]:
    """Stride and dilation of every layer; what is no longer strided dilates from the next layer on."""
    strides, dilations = [], []
    stride, dilation = 2, 1
    for step in STRIDES:
        dilations.append(dilation)
        if stride * step > output_stride:
            dilation *= step
            step = 1
        stride *= step
        strides.append(step)
    return strides, dilations
