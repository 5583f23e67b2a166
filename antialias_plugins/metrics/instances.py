"""Instances that a detector finds, and their agreement between two crops of one image.

Letters: instances ``N`` or ``M``, view ``h w``. Boxes are ``(N, 4)``: left, top, right and bottom edge, in pixels.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_choice
from antialias_plugins.metrics.inputs import as_corner, as_tensor, check_number, check_type
from antialias_plugins.metrics.views import Offset, Spans, overlap, part_at

Kind = Literal['mask', 'box']


@dataclass(frozen=True, eq=False)
class Instances:
    """What a detector finds in one view of an image: boxes, masks or both.

    Args:
        scores: How sure it is of each instance, in [0, 1], ``(N,)``.
        labels: Class of each, whole numbers, ``(N,)``.
        boxes: Left, top, right and bottom edge of each, in pixels of the view, ``(N, 4)``: pixel ``i`` reaches from
            ``i`` to ``i + 1``.
        masks: The pixels of each, ``(N, h, w)``, boolean.

    Raises:
        ValueError: If there are neither boxes nor masks, a shape or the masks' type is wrong, a score, a label or a box
            is not finite, a score is not in [0, 1], a label no whole number, or a box ends before it begins.
    """

    scores: Tensor
    labels: Tensor
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def __post_init__(self) -> None:
        if self.boxes is None and self.masks is None:
            raise ValueError('boxes or masks must be given, got neither')
        for name in ('scores', 'labels', 'boxes', 'masks'):
            if (value := getattr(self, name)) is not None or name in ('scores', 'labels'):
                object.__setattr__(self, name, as_tensor(name, value))
        if self.scores.ndim != 1:
            raise ValueError(f'scores must have shape (N,), got {tuple(self.scores.shape)}')
        count, masks = len(self.scores), self.masks
        for name, shape in {'scores': (count,), 'labels': (count,), 'boxes': (count, 4)}.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise ValueError(f'{name} must have shape {shape} for {count} scores, got {tuple(value.shape)}')
            if value is not None and not value.isfinite().all():
                raise ValueError(f'{name} must be finite, got {value[~value.isfinite()].tolist()}')
        if masks is not None and (masks.ndim != 3 or len(masks) != count or masks.dtype != torch.bool):
            raise ValueError(
                f'masks must be boolean and of shape ({count}, h, w), got {masks.dtype} of shape {tuple(masks.shape)}'
            )
        if ((self.scores < 0) | (self.scores > 1)).any():
            raise ValueError(f'scores must be in [0, 1], got {self.scores.min():.4g} to {self.scores.max():.4g}')
        if self.labels.is_floating_point() and (self.labels != self.labels.round()).any():
            raise ValueError(f'labels must be whole numbers, got {self.labels[self.labels != self.labels.round()][0]}')
        if self.boxes is not None and (wrong := (self.boxes[:, 2:] < self.boxes[:, :2]).any(1)).any():
            raise ValueError(f'boxes must be left, top, right, bottom, got {self.boxes[wrong][0].tolist()}')

    @property
    def shapes(self) -> dict[Kind, Tensor]:
        """Masks and boxes, as far as there are any, by their kind."""
        return {kind: shapes for kind, shapes in (('mask', self.masks), ('box', self.boxes)) if shapes is not None}


@dataclass(frozen=True)
class InstanceRule:
    """Which instances count, and which two may be partners; see `instance_agreement`.

    Args: The thresholds of `mean_instance_consistency`, with its defaults and ranges.
    """

    score_threshold: float = 0.5
    iou_threshold: float = 0.9
    min_area: float = 10

    def __post_init__(self) -> None:
        check_number('score_threshold', self.score_threshold, 'between 0 and 1', lambda value: 0 <= value <= 1)
        check_number('iou_threshold', self.iou_threshold, 'above 0 and at most 1', lambda value: 0 < value <= 1)
        check_number('min_area', self.min_area, 'at least 1', lambda value: value >= 1)


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
    check_choice('kind', kind, get_args(Kind))
    rule = InstanceRule() if rule is None else rule
    check_type('rule', rule, InstanceRule)
    check_type('pred_a', pred_a, Instances)
    check_type('pred_b', pred_b, Instances)
    size, offset_a, offset_b = as_corner('size', size), as_corner('offset_a', offset_a), as_corner('offset_b', offset_b)
    spans = overlap(size, offset_a, offset_b)
    labels_a, shapes_a = _seen(pred_a, kind, size, spans, offset_a, rule)
    labels_b, shapes_b = _seen(pred_b, kind, size, spans, offset_b, rule)
    pairs = sum(
        largest_matching(ious(shapes_a[labels_a == label], shapes_b[labels_b == label]) >= rule.iou_threshold)
        for label in set(labels_a.tolist()) & set(labels_b.tolist())
    )
    return InstanceAgreement(2 * pairs, len(labels_a) + len(labels_b))


def _seen(
    pred: Instances, kind: Kind, size: tuple[int, int], spans: Spans, offset: Offset, rule: InstanceRule
) -> tuple[Tensor, Tensor]:
    """Labels and clipped shapes of the instances that count."""
    if kind not in pred.shapes:
        raise ValueError(f"kind must be one of the instances' shapes, {' or '.join(pred.shapes)}, got {kind!r}")
    shapes = pred.shapes[kind]
    if kind == 'mask' and tuple(shapes.shape[1:]) != tuple(size):
        raise ValueError(f'masks must have the size {tuple(size)} of the crops, got {tuple(shapes.shape[1:])}')
    sure = (pred.scores >= rule.score_threshold).cpu()
    clipped = clip(shapes[sure.to(shapes.device)], spans, offset)
    large = areas(clipped) >= rule.min_area
    return pred.labels.cpu()[sure][large], clipped[large.to(clipped.device)]


def clip(shapes: Tensor, spans: Spans, offset: Offset) -> Tensor:
    """Cut what lies in ``spans``, in the image's coordinates, from boxes or masks of the crop at ``offset``.

    Boxes are then in the image's coordinates, ``(N, 4)``, float64, on the CPU; masks are ``(N, rows, columns)``.
    """
    if shapes.dtype == torch.bool:
        return part_at(shapes, spans, offset)
    (top, bottom), (left, right) = spans
    down, aside = offset
    placed = shapes.cpu().double()
    edges = (placed.new_tensor(its) for its in ([aside, down] * 2, [left, top] * 2, [right, bottom] * 2))
    moved, least, greatest = edges
    return (placed + moved).clamp(least, greatest)


def areas(shapes: Tensor) -> Tensor:
    """Return the area of every shape in pixels, 0 of an empty one, ``(N,)``, float64, on the CPU."""
    if shapes.dtype == torch.bool:
        return shapes.sum((1, 2)).cpu().double()
    return _box_areas(shapes[:, :2], shapes[:, 2:])


def ious(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of all pairs of shapes that are not empty, ``(N, M)``, float64, on the CPU.

    Example:
        >>> first, second = torch.tensor([[0.0, 0, 4, 1]]), torch.tensor([[0.0, 0, 5, 1], [4, 0, 6, 1]])
        >>> ious(first, second)
        tensor([[0.8000, 0.0000]], dtype=torch.float64)
    """
    if first.dtype == torch.bool:  # mask by mask, since all pairs at once would be N·M maps
        common = torch.stack([(mask & second).sum((1, 2)) for mask in first]).cpu().double()
    else:
        common = _box_areas(
            torch.maximum(first[:, None, :2], second[:, :2]), torch.minimum(first[:, None, 2:], second[:, 2:])
        )
    return common / (areas(first)[:, None] + areas(second) - common)


def _box_areas(corners: Tensor, opposite: Tensor) -> Tensor:
    return (opposite - corners).clamp(min=0).cpu().double().prod(-1)


def largest_matching(allowed: Tensor) -> int:
    """Return the largest number of pairs that can be formed if nothing may be in two of them.

    Example:
        >>> largest_matching(torch.tensor([[True, True], [True, False]]))  # the first row leaves column 0 to the second
        2
    """
    from scipy.sparse import csr_matrix  # take a quarter of a second to import, which only detectors need
    from scipy.sparse.csgraph import maximum_bipartite_matching

    return int((maximum_bipartite_matching(csr_matrix(allowed.cpu().numpy())) >= 0).sum())
