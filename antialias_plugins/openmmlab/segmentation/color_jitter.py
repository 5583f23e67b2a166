"""The color augmentation of torchvision, in mmseg's pipelines."""

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image
from torchvision.transforms import ColorJitter

Range = float | tuple[float, float]


class TorchvisionColorJitter(BaseTransform):
    """torchvision's `ColorJitter` on a BGR image; the one of mmseg, `PhotoMetricDistortion`, draws otherwise.

    Brightness, contrast, saturation and hue change one after the other, in random order, each by a factor drawn
    uniformly from ``[max(0, 1 - x), 1 + x]``, hue by a share of the circle from ``[-x, x]``.

    Args:
        brightness: x, or the two ends; 0 for none.
        contrast: The same.
        saturation: The same.
        hue: The same, at most 0.5.

    Shape:
        ``results['img']``: (H, W, 3), uint8.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self, brightness: Range = 0.0, contrast: Range = 0.0, saturation: Range = 0.0, hue: Range = 0.0
    ) -> None:
        self.jitter = ColorJitter(brightness, contrast, saturation, hue)

    def transform(self, results: dict) -> dict:
        """Change the colors of the image."""
        jittered = self.jitter(Image.fromarray(results['img'][..., ::-1]))
        results['img'] = np.ascontiguousarray(np.asarray(jittered)[..., ::-1])
        return results

    def __repr__(self) -> str:
        return f'TorchvisionColorJitter({self.jitter})'
