"""Data set and transforms of the reference systems: COCO with the classes of VOC, random scales, color jitter."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform, RandomResize
from mmseg.datasets import COCOStuffDataset, PascalVOCDataset
from PIL import Image
from torchvision.transforms import ColorJitter

# COCO's name of each class of VOC that has another one.
RENAMED = {'aeroplane': 'airplane', 'diningtable': 'dining table', 'motorbike': 'motorcycle'}
RENAMED |= {'pottedplant': 'potted plant', 'sofa': 'couch', 'tvmonitor': 'tv'}


class COCOVOCDataset(COCOStuffDataset):
    """mmseg's `COCOStuffDataset` (164k), labelled with the 21 classes of PASCAL VOC: all else is background.

    The files are those of `COCOStuffDataset`, with the ``_labelTrainIds.png`` of mmseg's
    ``tools/dataset_converters/coco_stuff164k.py``. What COCO-Stuff leaves unlabelled, 255, stays so.

    Args:
        **kwargs: Arguments of `COCOStuffDataset`, without a choice of classes in ``metainfo``.

    Raises:
        ValueError: If ``metainfo`` chooses other classes.
    """

    METAINFO = PascalVOCDataset.METAINFO

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map COCO-Stuff's 171 train ids to VOC's ids; mmseg's loader applies it."""
        voc = cls.METAINFO['classes']
        if new_classes is not None and tuple(new_classes) != tuple(voc):
            raise ValueError(f'metainfo.classes must be the {len(voc)} of PASCAL VOC or absent, got {new_classes}')
        ids = {RENAMED.get(name, name): index for index, name in enumerate(voc)}
        return {index: ids.get(name, 0) for index, name in enumerate(COCOStuffDataset.METAINFO['classes'])}


class LogRandomResize(RandomResize):
    """mmcv's `RandomResize` whose ratio is uniform on a logarithmic scale.

    With ``ratio_range=(0.5, 2.0)`` every second image shrinks, where a uniform ratio shrinks every third. The arguments
    are those of `RandomResize`; ``scale`` is one size.
    """

    @staticmethod
    def _random_sample_ratio(scale: tuple[int, int], ratio_range: tuple[float, float]) -> tuple[int, int]:
        ratio = np.exp(np.random.uniform(*np.log(ratio_range)))
        return round(scale[0] * ratio), round(scale[1] * ratio)


Range = float | tuple[float, float]


class TorchvisionColorJitter(BaseTransform):
    """torchvision's `ColorJitter` on a BGR image; the one of mmseg, `PhotoMetricDistortion`, draws otherwise.

    Brightness, contrast, saturation and hue change one after the other, in random order, each by a factor drawn
    uniformly from ``[max(0, 1 - x), 1 + x]``, hue by a share of the circle from ``[-x, x]``.

    Args:
        brightness, contrast, saturation: x, or the two ends; 0 for none.
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
