"""mAISC of detectors whose data samples are mmdet's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mmengine.logging import print_log
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from antialias_plugins.metrics import InstanceConsistency, Instances, MeanInstanceConsistency
from antialias_plugins.openmmlab.consistency.task import Predict

_NAMES = {'mAISC': 'mAISC', 'box AISC': 'mAISC_box'}


@dataclass
class InstanceTask:
    """Two crops of an image, compared instance by instance; see `MeanInstanceConsistency` for the options.

    Args:
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``; crops are that much smaller than the input.
        seed: Seed of the offsets.
        score_threshold: Lowest score of an instance that counts.
        iou_threshold: Lowest intersection over union at which two instances are the same.
        min_area: Smallest area of an instance in the overlap that counts, in pixels of the input.
    """

    kind: ClassVar[str] = 'object detection'
    field: ClassVar[str] = 'pred_instances'

    max_shift: int = 32
    seed: int = 0
    score_threshold: float = 0.5
    iou_threshold: float = 0.9
    min_area: float = 10

    def __post_init__(self) -> None:
        self._consistency = MeanInstanceConsistency(
            self.max_shift,
            self.seed,
            score_threshold=self.score_threshold,
            iou_threshold=self.iou_threshold,
            min_area=self.min_area,
        )

    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images."""
        self._consistency.reset()

    def add(self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict) -> None:
        """Measure one image, ``(C, H, W)``."""

        def instances(views: Tensor) -> list[Instances]:
            return [_instances(output.pred_instances) for output in predict(views)]

        self._consistency.update(index, image, instances)

    def merge(self, other: 'InstanceTask') -> None:
        """Add the images that another process has measured."""
        self._consistency.merge(other._consistency)

    def compute(self) -> InstanceConsistency:
        """Return the consistency over all images."""
        return self._consistency.compute()

    def figures(self, result: InstanceConsistency) -> dict[str, tuple[float | None, float | None]]:
        """Return the means and half-widths by the names of the metrics; warn of those that there are none of."""
        missing = [name for name, share in result.shares.items() if not share.images]
        if missing:
            print_log(
                f'{" and ".join(missing)} cannot be told: none of {result.images} images shows an instance of score '
                f'{self.score_threshold} or more and of {self.min_area} pixels or more in the overlap of the crops',
                logger='current',
                level=logging.WARNING,
            )
        return {_NAMES[name]: (share.mean, share.interval) for name, share in result.shares.items()}

    def table(self, result: InstanceConsistency) -> None:
        """Return nothing: the figures are all there is."""


def _instances(found: InstanceData) -> Instances:
    for name in ('scores', 'labels', 'bboxes'):
        if name not in found:
            raise ValueError(
                f'model must predict scores, labels and bboxes of instances, got {", ".join(sorted(found.keys()))}'
            )
    return Instances(found.scores, found.labels, found.bboxes, found.get('masks'))
