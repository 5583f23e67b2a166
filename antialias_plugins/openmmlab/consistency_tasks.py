"""Data samples of the OpenMMLab packages as the consistency metrics read them, by kind of model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor
from torch.nn.functional import interpolate

from antialias_plugins.metrics import (
    Instances,
    MeanInstanceConsistency,
    MeanSegmentationConsistency,
    ShiftConsistency,
    ViewPlan,
)
from antialias_plugins.metrics.base import Result, options_of

Predict = Callable[[Tensor], Sequence[BaseDataElement]]


class Task(ABC):
    """One kind of model: what of its data samples a metric of `antialias_plugins.metrics` gets.

    Args:
        **options: The metric's own options, instead of their defaults.

    Attributes:
        kind: What such models do, for messages.
        field: The field of a model's data samples by which they are recognised.
        defaults: All options with their defaults.
        metric: The metric, a `PerImageMetric`, with what it has measured.
    """

    kind: ClassVar[str]
    field: ClassVar[str]
    defaults: ClassVar[dict[str, Any]]

    def __init__(self, **options: Any) -> None:
        self.options = self.defaults | options
        self.start(None)

    @abstractmethod
    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images; those to come have classes of these names, which are empty if they have none."""

    @abstractmethod
    def add(
        self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict, group: str | None = None
    ) -> None:
        """Measure one image, as the test pipeline made it.

        Args:
            index: Its index in the data set.
            image: The image, ``(C, H, W)``.
            sample: Its data sample, with the annotation if there is one.
            predict: Maps views of it, ``(V, C, h, w)``, to the model's predictions.
            group: What it belongs to, if the intervals are to count groups.
        """

    def merge(self, other: 'Task') -> None:
        """Add the images that another process has measured."""
        self.metric.merge(other.metric)

    def missing(self, result: Result) -> str | None:
        """What the figures cannot tell, as a warning; ``None`` if they tell all."""
        return None


class SegmentationTask(Task):
    """mASSC of segmentors whose data samples are mmseg's; ``per_class`` stands for the number of classes."""

    kind = 'semantic segmentation'
    field = 'pred_sem_seg'
    defaults = options_of(MeanSegmentationConsistency) | {'per_class': False}
    del defaults['num_classes']

    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images, see `Task`."""
        options = dict(self.options)
        per_class = options.pop('per_class') and classes is not None
        if per_class and not classes:
            raise ValueError("per_class must be False where the data set's metainfo has no classes, got True")
        self.metric = MeanSegmentationConsistency(**options, num_classes=len(classes) if per_class else None)

    def add(
        self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict, group: str | None = None
    ) -> None:
        """Measure one image, see `Task`."""

        def class_maps(views: Tensor) -> Tensor:
            return torch.stack([output.pred_sem_seg.data.squeeze(0) for output in predict(views)])

        self.metric.update(index, image, class_maps, _label_map(sample, image.shape[-2:]), group=group)


class ClassificationTask(Task):
    """Consistency of classifiers whose data samples are mmpretrain's.

    Without a ``crop_size`` views are as large as the first image leaves room for, and all images have to have one size.
    """

    kind = 'classification'
    field = 'pred_score'
    defaults = options_of(ViewPlan) | {'crop_size': None}

    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images, see `Task`."""
        self._size = self.options['crop_size']
        # A size that suits until there is an image: the other options are checked now.
        size = max(self.options['max_shift'], 2) if self._size is None else self._size
        self.metric = ShiftConsistency(ViewPlan(**self.options | {'crop_size': size}))

    def add(
        self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict, group: str | None = None
    ) -> None:
        """Measure one image, see `Task`."""
        if self.options['crop_size'] is None:
            self._fit(image)
        self.metric.update(index, image, lambda views: _logits(predict(views)), _label(sample), group=group)

    def _fit(self, image: Tensor) -> None:
        """Let the views be as large as the image leaves room for."""
        height, width = image.shape[-2:]
        plan = self.metric.plan
        margin = 0 if plan.circular else plan.max_shift
        if min(height, width) - margin < plan.max_shift:
            raise ValueError(
                f'max_shift must not exceed {"the" if plan.circular else "half the"} shorter side of the input, got '
                f'{plan.max_shift} for an input of {height}x{width}'
            )
        size = height - margin, width - margin
        if self._size is None:
            self._size, self.metric = size, ShiftConsistency(replace(plan, crop_size=size))
        elif size != self._size:
            raise ValueError(
                'crop_size must be given where inputs differ in size, got none for inputs that leave room for crops of '
                f'{self._size} and {size}'
            )

    def merge(self, other: 'ClassificationTask') -> None:
        """Add the images that another process has measured."""
        if self._size is None:
            self._size, self.metric = other._size, other.metric
        elif other._size is not None:
            super().merge(other)


class InstanceTask(Task):
    """mAISC of detectors whose data samples are mmdet's."""

    kind = 'object detection'
    field = 'pred_instances'
    defaults = options_of(MeanInstanceConsistency)

    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images, see `Task`."""
        self.metric = MeanInstanceConsistency(**self.options)

    def add(
        self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict, group: str | None = None
    ) -> None:
        """Measure one image, see `Task`."""

        def found(views: Tensor) -> list[Instances]:
            return [_instances(it.pred_instances) for it in predict(views)]

        self.metric.update(index, image, found, group=group)

    def missing(self, result: Result) -> str | None:
        """What the figures cannot tell, as a warning; ``None`` if they tell all."""
        names = [result.titles[name] for name, share in result.figures.items() if not share.images]
        reason = (
            f'none of {result.images} images shows an instance of score {self.metric.score_threshold} or more and of '
            f'{self.metric.min_area} pixels or more in the overlap of the crops'
        )
        return f'{" and ".join(names)} cannot be told: {reason}' if names else None


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


def _logits(outputs: Sequence[BaseDataElement]) -> Tensor:
    """Logits whose softmax are the probabilities that the model gives, ``(V, N)``, in float64."""
    scores = torch.stack([output.pred_score for output in outputs]).double()
    if scores.ndim != 2 or not torch.allclose(scores.sum(1), scores.new_ones(()), atol=1e-2):
        raise ValueError(
            'model must predict one probability per class as pred_score, of one label per image, got '
            f'scores of shape {tuple(scores.shape[1:])} with the sum {scores[0].sum():.4g}'
        )
    return scores.clamp_min(torch.finfo(torch.float32).smallest_normal).log()


def _label(sample: BaseDataElement) -> int | None:
    """The sample's class; ``None`` without annotation."""
    if 'gt_label' not in sample:
        return None
    if sample.gt_label.numel() != 1:
        raise ValueError(f'gt_label must be one class per image, got {sample.gt_label.tolist()}')
    return int(sample.gt_label)


def _instances(found: InstanceData) -> Instances:
    for name in ('scores', 'labels', 'bboxes'):
        if name not in found:
            raise ValueError(
                f'model must predict scores, labels and bboxes of instances, got {", ".join(sorted(found.keys()))}'
            )
    return Instances(found.scores, found.labels, found.bboxes, found.get('masks'))


TASKS: tuple[type[Task], ...] = (SegmentationTask, ClassificationTask, InstanceTask)
