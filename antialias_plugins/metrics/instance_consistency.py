"""Consistency of instance segmentation and object detection under shifts (mAISC).

Letters: image ``C H W``, view of it ``h w``.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from torch import Tensor

from antialias_plugins.metrics.base import Look, PerImageMetric, Result
from antialias_plugins.metrics.instances import InstanceAgreement, InstanceRule, Instances, Kind, instance_agreement
from antialias_plugins.metrics.intervals import MeanShare
from antialias_plugins.metrics.offsets import check_random_shift, draw_offsets
from antialias_plugins.metrics.views import shifted_views

_Agreements = dict[Kind, InstanceAgreement]


@dataclass(frozen=True)
class InstanceConsistency(Result):
    """Mean consistency of instances over images.

    Attributes:
        mask: Mean share of positive instances by the IoU of masks, over the images that have any; ``None`` for a
            detector without masks.
        box: The same by the IoU of boxes; ``None`` for a detector without boxes.
        images: Number of images, with those in which no instance counts.
    """

    mask: MeanShare | None
    box: MeanShare | None
    images: int

    parts: ClassVar[dict[str, tuple[str, ...]]] = {'mAISC': ('mask',), 'mAISC_box': ('box',)}
    titles: ClassVar[dict[str, str]] = {'mAISC': 'mAISC', 'mAISC_box': 'box AISC'}

    @property
    def shares(self) -> dict[str, MeanShare]:
        """The figures by their titles."""
        return {self.titles[name]: share for name, share in self.figures.items()}

    def __str__(self) -> str:
        return ', '.join(f'{title} {share}' for title, share in self.shares.items()) + f', of {self.images} images'


@dataclass(eq=False)
class MeanInstanceConsistency(PerImageMetric[_Agreements, InstanceConsistency]):
    """Accumulates `mean_instance_consistency` image by image: two numbers per image for masks and two for boxes.

    Args: The options of `mean_instance_consistency`, with its defaults and ranges.
    """

    max_shift: int = 32
    seed: int = 0
    _: KW_ONLY
    score_threshold: float = InstanceRule.score_threshold
    iou_threshold: float = InstanceRule.iou_threshold
    min_area: float = InstanceRule.min_area

    def __post_init__(self) -> None:
        check_random_shift(self.max_shift, self.seed)
        self.rule = InstanceRule(self.score_threshold, self.iou_threshold, self.min_area)

    def _look(self, index: int, image: Tensor, predict: Callable[[Tensor], Sequence[Instances]], label: Any) -> Look:
        """Predict two views of one image; keep and return the counts, by the kind of shape of the instances."""
        if label is not None:
            raise ValueError(f'label must be None, two predictions are compared with each other, got {label!r:.200}')
        offsets = draw_offsets(self.seed, index, self.max_shift)
        views = shifted_views(image, offsets, self.max_shift)
        pair = predict(views)
        if not isinstance(pair, Sequence) or not all(isinstance(found, Instances) for found in pair):
            raise ValueError(f'predict must return one Instances per view, got {pair!r:.200}')
        kinds = [list(found.shapes) for found in pair]
        if len(kinds) != 2 or kinds[0] != kinds[1]:
            raise ValueError(f'predict must return the instances of two views, shapes of the same kinds, got {kinds}')
        size = tuple(views.shape[-2:])
        found = {kind: instance_agreement(*pair, size, *offsets, kind, self.rule) for kind in kinds[0]}
        return Look(found, found)

    def compute(self) -> InstanceConsistency:
        """Return the means over all images so far; ``None`` as a mean if no image has instances."""
        records = self._measured()

        def mean(kind: Kind) -> MeanShare | None:
            agreements = {index: record[kind] for index, record in records.items() if kind in record}
            shares = {index: agreement.share for index, agreement in agreements.items() if agreement.instances}
            return self._mean(shares) if agreements else None

        return InstanceConsistency(mean('mask'), mean('box'), len(records))


def mean_instance_consistency(
    predict: Callable[[Tensor], Sequence[Instances]],
    images: Iterable[Tensor],
    *,
    max_shift: int = 32,
    seed: int = 0,
    score_threshold: float = 0.5,
    iou_threshold: float = 0.9,
    min_area: float = 10,
    groups: Iterable[Hashable] | None = None,
) -> InstanceConsistency:
    """Measure how little the instances that a detector finds depend on where the image is cropped (mAISC).

    Of every image two crops of size ``(H - max_shift, W - max_shift)`` are taken at different random offsets. Of the
    instances that are found in their overlap, the share that has a partner in the other crop, of the same class and
    with an intersection over union of at least 0.9, is averaged over the images: the mean average instance segmentation
    consistency of Zou et al., "Delving Deeper into Anti-aliasing in ConvNets", BMVC 2020. The same two predictions give
    it by masks and by boxes.

    The authors have not published their code for it. Which instances count, and what becomes of those without a
    partner, is defined by `instance_agreement`. An image in neither of whose crops an instance counts says nothing of
    consistency: it is left out of the mean, which tells of how many images it is. (If it counted as agreement, a
    detector that finds nothing would be perfect.)

    The number depends on ``score_threshold``, so compare detectors at the same one. An instance whose score is 0.51 in
    one crop and 0.49 in the other counts as lost: that is what whoever uses the detector at this threshold sees.

    Args:
        predict: Maps the two views of one image, in one batch, to the instances of each, ``(2, C, h, w)`` → two
            `Instances`, on the device where the images are. Its networks are measured in evaluation mode, see
            `PerImageMetric`.
        images: As for `mean_segmentation_consistency`.
        max_shift: As for `mean_segmentation_consistency`.
        seed: As for `mean_segmentation_consistency`.
        score_threshold: Lowest score of an instance that counts, in [0, 1]. The default is one half: where the scores
            of an object's classes sum to 1, only one of them can be above.
        iou_threshold: Lowest intersection over union of partners, in (0, 1]; the paper's by default.
        min_area: Smallest area of a clipped instance that counts, in pixels, at least 1. The default is that of the
            authors' program that makes shifted copies of COCO's annotations.
        groups: As for `mean_segmentation_consistency`.

    Raises:
        ValueError: If there are no images or no instance counts in any of them, an image is too small for
            ``max_shift``, an argument is outside its range, or ``predict`` returns something else.

    Example:
        >>> import torch
        >>> def bright(views):  # finds one instance: all bright pixels
        ...     return [Instances(torch.ones(1), torch.zeros(1).long(), masks=view > 0.5) for view in views]
        >>> print(mean_instance_consistency(bright, torch.rand(3, 1, 32, 48), max_shift=8))
        mAISC 100.00 [29.24, 100.00] % (n = 3), of 3 images
    """
    consistency = MeanInstanceConsistency(
        max_shift, seed, score_threshold=score_threshold, iou_threshold=iou_threshold, min_area=min_area
    )
    result = consistency.measure(predict, images, groups=groups)
    if not any(share.images for share in result.shares.values()):
        raise ValueError(
            f'images must show an instance of score {score_threshold} or more and of {min_area} pixels or more in the '
            f'overlap of two crops, got none in {result.images} images'
        )
    return result
