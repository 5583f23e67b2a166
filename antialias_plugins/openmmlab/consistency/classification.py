"""Consistency of classifiers whose data samples are mmpretrain's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from antialias_plugins.metrics import ClassificationConsistency, ShiftConsistency, ViewPlan
from antialias_plugins.metrics.view_plan import Protocol
from antialias_plugins.openmmlab.consistency.task import Predict


@dataclass
class ClassificationTask:
    """Several crops of an image that have to get the same class; see `shift_consistency` for the options.

    Args:
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``, in pixels of the input.
        seed: Seed of the offsets.
        circular: Shift the central crop circularly instead of moving the crop over the image.
        subpixel: Offsets are multiples of ``1 / subpixel`` pixels; above 1 for circular shifts only.
        crop_size: Size of a view: its side, or its height and width. By default as much of the input as leaves room
            for the shift; then all inputs have to have one size.
        views: Number of views that have to agree.
        protocol: ``'per_image'``, or ``'legacy'`` for the published evaluation.
        batch_size: Number of consecutive images that share their offsets; for the legacy protocol, and only for it.
    """

    kind: ClassVar[str] = 'classification'
    field: ClassVar[str] = 'pred_score'

    max_shift: int = 32
    seed: int = 0
    circular: bool = False
    subpixel: int = 1
    crop_size: int | tuple[int, int] | None = None
    views: int = 2
    protocol: Protocol = 'per_image'
    batch_size: int | None = None

    def __post_init__(self) -> None:
        # Without a size of their own the views have one as soon as there is an image; the rest is checked now.
        self._plan = ViewPlan(
            self.max_shift,
            max(self.max_shift, 2) if self.crop_size is None else self.crop_size,
            self.views,
            self.circular,
            self.seed,
            self.protocol,
            self.batch_size,
            subpixel=self.subpixel,
        )
        self._consistency: ShiftConsistency | None = None

    def start(self, classes: Sequence[str] | None) -> None:
        """Forget all images."""
        self._consistency = None

    def add(self, index: int, image: Tensor, sample: BaseDataElement, predict: Predict) -> None:
        """Measure one image, ``(C, H, W)``."""
        plan = self._plan if self.crop_size is not None else replace(self._plan, crop_size=self._room(image))
        self._consistency = self._consistency or ShiftConsistency(plan)
        if plan != self._consistency.plan:
            raise ValueError(
                'crop_size must be given where inputs differ in size, got none for inputs that leave room for crops of '
                f'{self._consistency.plan.crop_size} and {plan.crop_size}'
            )
        self._consistency.update(index, image, lambda views: _logits(predict(views)), _label(sample))

    def _room(self, image: Tensor) -> tuple[int, int]:
        height, width = image.shape[-2:]
        margin = 0 if self.circular else self.max_shift
        if min(height, width) - margin < self.max_shift:
            raise ValueError(
                f'max_shift must not exceed {"the" if self.circular else "half the"} shorter side of the input, got '
                f'{self.max_shift} for an input of {height}x{width}'
            )
        return height - margin, width - margin

    def merge(self, other: 'ClassificationTask') -> None:
        """Add the images that another process has measured."""
        if self._consistency is None:
            self._consistency = other._consistency
        elif other._consistency is not None:
            self._consistency.merge(other._consistency)

    def compute(self) -> ClassificationConsistency:
        """Return the consistency over all images."""
        return (self._consistency or ShiftConsistency(self._plan)).compute()

    def figures(self, result: ClassificationConsistency) -> dict[str, tuple[float | None, float | None]]:
        """Return the means and half-widths by the names of the metrics."""
        return {
            'consistency': (result.mean, result.interval),
            'correct_consistency': (result.correct_mean, result.correct_interval),
            'probability_change': (result.probability_change, result.probability_change_interval),
        }

    def table(self, result: ClassificationConsistency) -> None:
        """Return nothing: the figures are all there is."""


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
    if 'gt_label' not in sample:
        return None
    if sample.gt_label.numel() != 1:
        raise ValueError(f'gt_label must be one class per image, got {sample.gt_label.tolist()}')
    return int(sample.gt_label)
