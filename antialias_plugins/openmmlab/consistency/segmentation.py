"""mASSC of segmentors whose data samples are mmseg's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.nn.functional import interpolate

from antialias_plugins.metrics import MeanSegmentationConsistency, MeanShare, SegmentationConsistency
from antialias_plugins.openmmlab.consistency.task import Predict
from antialias_plugins.utils import markdown_table


@dataclass
class SegmentationTask:
    """Two crops of an image, compared pixel by pixel; see `MeanSegmentationConsistency` for the options.

    Args:
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``; crops are that much smaller than the input.
        seed: Seed of the offsets.
        circular: Shift circularly and compare the whole map, instead of cropping.
        subpixel: Offsets are multiples of ``1 / subpixel`` pixels; above 1 for circular shifts only.
        ignore_index: Label of the pixels that do not count as labelled.
        per_class: Whether to measure every class, too.
        boundary: Width in pixels of the band along the boundaries of classes that is measured apart.
    """

    kind: ClassVar[str] = 'semantic segmentation'
    field: ClassVar[str] = 'pred_sem_seg'

    max_shift: int = 32
    seed: int = 0
    circular: bool = False
    subpixel: int = 1
    ignore_index: int = 255
    per_class: bool = False
    boundary: int | None = None

    def __post_init__(self) -> None:
        self._begin(None)

    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images."""
        if self.per_class and not classes:
            raise ValueError("per_class must be False where the data set's metainfo has no classes, got True")
        self._begin(tuple(classes) if self.per_class else None)

    def _begin(self, classes: tuple[str, ...] | None) -> None:
        self._classes = classes
        self._consistency = MeanSegmentationConsistency(
            self.max_shift,
            self.seed,
            self.circular,
            self.ignore_index,
            num_classes=len(classes) if classes else None,
            boundary=self.boundary,
            subpixel=self.subpixel,
        )

    def add(self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict) -> None:
        """Measure one image, ``(C, H, W)``."""

        def class_maps(views: Tensor) -> Tensor:
            return torch.stack([output.pred_sem_seg.data.squeeze(0) for output in predict(views)])

        self._consistency.update(index, image, class_maps, _label_map(sample, image.shape[-2:]))

    def merge(self, other: 'SegmentationTask') -> None:
        """Add the images that another process has measured."""
        self._consistency.merge(other._consistency)

    def compute(self) -> SegmentationConsistency:
        """Return the consistency over all images."""
        return self._consistency.compute()

    def figures(self, result: SegmentationConsistency) -> dict[str, tuple[float | None, float | None]]:
        """Return the means and half-widths by the names of the metrics."""
        figures = {
            'mASSC': (result.mean, result.interval),
            'mASSC_labelled': (result.labelled_mean, result.labelled_interval),
        }
        for name in ('boundary', 'interior', 'labelled_boundary', 'labelled_interior'):
            share = getattr(result, name)
            if share is not None:
                figures[f'mASSC_{name}'] = share.mean, share.interval
        return figures

    def table(self, result: SegmentationConsistency) -> str | None:
        """Return the consistency of every class, with half-widths in percent, as a table in Markdown."""
        if self._classes is None:
            return None
        columns = {'mASSC (%)': result.classes, 'of labelled pixels (%)': result.labelled_classes}
        columns = {name: shares for name, shares in columns.items() if any(share.images for share in shares)}
        rows = [
            [name, *(_cell(share) for share in shares)]
            for name, *shares in zip(self._classes, *columns.values(), strict=True)
        ]
        return markdown_table(['class', *columns], rows)


def _cell(share: MeanShare) -> str:
    if share.mean is None:
        return '–'
    spread = '' if share.interval is None else f' ± {100 * share.interval:.2f}'
    return f'{100 * share.mean:.2f}{spread} (n = {share.images})'


def _label_map(sample: BaseDataElement, size: torch.Size) -> Tensor | None:
    """The sample's label map at the size of the network's input, ``(H, W)``; ``None`` without annotation."""
    if 'gt_sem_seg' not in sample:
        return None
    label = sample.gt_sem_seg.data.squeeze(0)
    if sample.metainfo.get('flip'):
        # mmseg evaluates in the frame of the annotation, which the flip of the test pipeline does not touch.
        label = label.flip(-1 if sample.metainfo['flip_direction'] == 'horizontal' else -2)
    if label.shape == size:
        return label
    return interpolate(label[None, None].double(), tuple(size), mode='nearest-exact')[0, 0].to(label.dtype)
