"""How the instances that a detector finds in two crops of one image agree."""

from dataclasses import dataclass

from torch import Tensor

from antialias_plugins.metrics.agreement import Spans, overlap
from antialias_plugins.metrics.instance_shapes import areas, clip, ious
from antialias_plugins.metrics.instances import Instances, Kind
from antialias_plugins.metrics.matching import largest_matching
from antialias_plugins.metrics.offsets import Offset


@dataclass(frozen=True)
class InstanceRule:
    """Which instances count, and which two may be partners; see `instance_agreement`.

    Args:
        score_threshold: Lowest score of an instance that counts, in [0, 1]. Where the scores of an object's classes sum
            to 1, only one of them can be above one half.
        iou_threshold: Lowest intersection over union of partners, in (0, 1].
        min_area: Smallest area of a clipped instance that counts, in pixels, at least 1.

    Raises:
        ValueError: If an argument is outside its range.
    """

    score_threshold: float = 0.5
    iou_threshold: float = 0.9
    min_area: float = 10

    def __post_init__(self) -> None:
        if not 0 <= self.score_threshold <= 1:
            raise ValueError(f'score_threshold must be between 0 and 1, got {self.score_threshold}')
        if not 0 < self.iou_threshold <= 1:
            raise ValueError(f'iou_threshold must be above 0 and at most 1, got {self.iou_threshold}')
        if not self.min_area >= 1:
            raise ValueError(f'min_area must be at least 1, got {self.min_area}')


@dataclass(frozen=True)
class InstanceAgreement:
    """How many instances of two crops agree; see `instance_agreement`.

    Attributes:
        positive: Instances of both crops that have a partner in the other.
        instances: All instances of both crops.
    """

    positive: int
    instances: int

    @property
    def share(self) -> float | None:
        """Share of positive instances, in [0, 1]; ``None`` if there are no instances."""
        return self.positive / self.instances if self.instances else None


def instance_agreement(
    pred_a: Instances,
    pred_b: Instances,
    size: tuple[int, int],
    offset_a: Offset,
    offset_b: Offset,
    kind: Kind = 'mask',
    rule: InstanceRule | None = None,
) -> InstanceAgreement:
    """Compare the instances of two crops of one image on their overlap.

    1. Instances with a score below ``score_threshold`` are left out.
    2. The others are clipped to the overlap. Those of which less than ``min_area`` remains are left out.
    3. Two instances, one of each crop, may be partners if they have the same class and an intersection over union of at
       least ``iou_threshold``. No instance has two partners, and as many as possible have one.
    4. An instance is positive if it has a partner. Of ``n`` and ``m`` instances that form ``p`` pairs this is the share

           2 · p / (n + m)

    So an instance without its like in the other crop counts against the detector in whichever crop it is: one that
    comes and goes, moves, changes its class (then it counts twice) or is found twice. The crops may be swapped.

    **Which pairs are formed** matters only where an object is found twice. ``1 - IoU`` obeys the triangle inequality
    (Kosub, "A note on the triangle inequality for the Jaccard distance", Pattern Recognition Letters, 2019), so two
    instances that both have an IoU of 0.9 with a third have one of at least 0.8 with each other. Of such boxes in one
    class, non-maximum suppression keeps one. For what remains, the largest number of pairs depends neither on the order
    of the instances nor on their scores, which a greedy choice would.

    **A box is clipped as a box.** Where the overlap cuts an object, the crop that shows all of it has the clipped box
    of the whole, the other the box of the part, and these differ unless the object fills its box: not even a perfect
    detector is sure to agree with itself there. Masks do not have this flaw.

    Args:
        pred_a: Instances of the crop at ``offset_a``, in its own coordinates.
        pred_b: Instances of the crop at ``offset_b``, in its own coordinates.
        size: Height and width of the crops.
        offset_a: Row and column of the image where the crop begins.
        offset_b: The same of the other crop.
        kind: Whether to compare masks or boxes.
        rule: The thresholds; by default those of `InstanceRule`.

    Returns:
        The numbers of positive and of all instances.

    Raises:
        ValueError: If an offset is negative, the crops do not overlap, masks are not of their size, or a crop has no
            shapes of this ``kind``.

    Example:
        >>> import torch
        >>> scores, labels = torch.tensor([0.9, 0.8]), torch.tensor([3, 5])
        >>> boxes = torch.tensor([[2.0, 2, 8, 8], [10, 2, 16, 8]])
        >>> pred_a = Instances(scores, labels, boxes)
        >>> pred_b = Instances(scores[:1], labels[:1], boxes[:1] - 2)  # has lost the second one
        >>> instance_agreement(pred_a, pred_b, (20, 20), (0, 0), (2, 2), kind='box')
        InstanceAgreement(positive=2, instances=3)
    """
    rule = rule or InstanceRule()
    spans = overlap(size, offset_a, offset_b)
    labels_a, shapes_a = _seen(pred_a, _shapes(pred_a, kind, size), spans, offset_a, rule)
    labels_b, shapes_b = _seen(pred_b, _shapes(pred_b, kind, size), spans, offset_b, rule)
    pairs = sum(
        largest_matching(ious(shapes_a[labels_a == label], shapes_b[labels_b == label]) >= rule.iou_threshold)
        for label in set(labels_a.tolist()) & set(labels_b.tolist())
    )
    return InstanceAgreement(2 * pairs, len(labels_a) + len(labels_b))


def _shapes(pred: Instances, kind: Kind, size: tuple[int, int]) -> Tensor:
    if kind not in pred.shapes:
        raise ValueError(f"kind must be one of the instances' shapes, {' or '.join(pred.shapes)}, got {kind!r}")
    shapes = pred.shapes[kind]
    if kind == 'mask' and tuple(shapes.shape[1:]) != tuple(size):
        raise ValueError(f'masks must have the size {tuple(size)} of the crops, got {tuple(shapes.shape[1:])}')
    return shapes


def _seen(pred: Instances, shapes: Tensor, spans: Spans, offset: Offset, rule: InstanceRule) -> tuple[Tensor, Tensor]:
    """Labels and clipped shapes of the instances that count."""
    sure = (pred.scores >= rule.score_threshold).cpu()
    clipped = clip(shapes[sure.to(shapes.device)], spans, offset)
    large = areas(clipped) >= rule.min_area
    return pred.labels.cpu()[sure][large], clipped[large.to(clipped.device)]
