"""Agreement of two class maps of one image: on their overlap, class by class, and near boundaries.

Letters: image ``H W``, map ``h w``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from antialias_plugins.metrics.inputs import as_class_maps, as_corner, as_integer, check_least
from antialias_plugins.metrics.views import Offset, overlap, part_at


@dataclass(frozen=True)
class PairAgreement:
    """Where two class maps of one image agree, counted in pixels of their overlap.

    Attributes:
        agreeing: Pixels that have the same class in both maps.
        pixels: All pixels of the overlap.
        labelled_agreeing: The same as ``agreeing``, among labelled pixels.
        labelled_pixels: Pixels whose label is not to be ignored; 0 without a label.
    """

    agreeing: int
    pixels: int
    labelled_agreeing: int = 0
    labelled_pixels: int = 0

    @property
    def share(self) -> float:
        """Share of agreeing pixels, in [0, 1]."""
        return self.agreeing / self.pixels

    @property
    def labelled_share(self) -> float | None:
        """Share of agreeing pixels among the labelled ones; ``None`` if there are none."""
        return self.labelled_agreeing / self.labelled_pixels if self.labelled_pixels else None


@dataclass(frozen=True)
class ClassAgreement:
    """Where two class maps agree, counted in pixels of each class; see `class_agreement`.

    Attributes:
        agreeing: Pixels of each class that have the same class in both maps.
        pixels: All pixels of each class.
    """

    agreeing: tuple[int, ...]
    pixels: tuple[int, ...]

    @property
    def shares(self) -> dict[int, float]:
        """Share of agreeing pixels, in [0, 1], of each class that occurs."""
        counts = zip(self.agreeing, self.pixels, strict=True)
        return {index: agreeing / pixels for index, (agreeing, pixels) in enumerate(counts) if pixels}


@dataclass(frozen=True)
class BoundaryAgreement:
    """Where two class maps agree, counted in pixels near boundaries and in all others.

    Attributes:
        boundary_agreeing: Pixels of the band that have the same class in both maps.
        boundary_pixels: All pixels of the band.
        interior_agreeing: Pixels outside it that have the same class in both maps.
        interior_pixels: All pixels outside it.
    """

    boundary_agreeing: int
    boundary_pixels: int
    interior_agreeing: int
    interior_pixels: int

    @property
    def boundary_share(self) -> float | None:
        """Share of agreeing pixels in the band; ``None`` if there is none."""
        return self.boundary_agreeing / self.boundary_pixels if self.boundary_pixels else None

    @property
    def interior_share(self) -> float | None:
        """Share of agreeing pixels outside the band; ``None`` if it covers everything."""
        return self.interior_agreeing / self.interior_pixels if self.interior_pixels else None


def segmentation_consistency(
    pred_a: Tensor,
    pred_b: Tensor,
    offset_a: Offset,
    offset_b: Offset,
    label: Tensor | None = None,
    ignore_index: int = 255,
) -> PairAgreement:
    """Compare the class maps of two crops of one image on their overlap.

    Args:
        pred_a: Class map of the crop at ``offset_a``, ``(h, w)``.
        pred_b: Class map of the crop at ``offset_b``, ``(h, w)``.
        offset_a: Row and column of the image where the crop begins.
        offset_b: The same of the other crop.
        label: Label map of the image, from its pixel (0, 0) on, ``(H, W)``, covering the overlap.
        ignore_index: Label of the pixels that do not count as labelled.

    Raises:
        ValueError: If the shapes do not fit, a map holds anything but integers, a label is negative and not
            ``ignore_index``, an offset is negative or the crops do not overlap.

    Example:
        >>> import torch
        >>> image = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2]])
        >>> pred_a, pred_b = image[:2, :3], image[1:, 1:].clone()
        >>> pred_b[0, 0] = 5
        >>> segmentation_consistency(pred_a, pred_b, (0, 0), (1, 1)).share  # they share row 1, columns 1 and 2
        0.5
    """
    pred_a, pred_b = _class_maps(pred_a, pred_b)
    as_integer('ignore_index', ignore_index)
    offset_a, offset_b = as_corner('offset_a', offset_a), as_corner('offset_b', offset_b)
    spans = overlap(tuple(pred_a.shape), offset_a, offset_b)
    same = part_at(pred_a, spans, offset_a) == part_at(pred_b, spans, offset_b)
    if label is None:
        return PairAgreement(int(same.sum()), same.numel())
    needed = tuple(stop for _, stop in spans)
    label = as_class_maps('label', label, '(H, W)')
    if label.shape[0] < needed[0] or label.shape[1] < needed[1]:
        raise ValueError(f'label must have shape (H, W) of at least {needed}, got {tuple(label.shape)}')
    _, labelled = _labelled(part_at(label, spans), ignore_index, same.device)
    return PairAgreement(int(same.sum()), same.numel(), int((same & labelled).sum()), int(labelled.sum()))


def class_agreement(
    pred_a: Tensor, pred_b: Tensor, num_classes: int, label: Tensor | None = None, ignore_index: int = 255
) -> ClassAgreement:
    """Compare two class maps of the same place, class by class.

    With a label map the pixels of class ``c`` are those labelled so, whatever is predicted there. As in the accuracy of
    a class, its share says how stable the predictions on such objects are, and every labelled pixel belongs to one
    class:

        #{label = c, a = b} / #{label = c}

    Without one they are those predicted so, and those of both maps count. That is the coefficient of Dice, "Measures of
    the Amount of Ecologic Association Between Species", Ecology 1945, of the two masks of the class, so it does not
    matter which map is the first:

        2 · #{a = b = c} / (#{a = c} + #{b = c})

    Args:
        pred_a: One class map, ``(h, w)``.
        pred_b: The other, ``(h, w)``.
        num_classes: Number of classes.
        label: Label map of the same place, ``(h, w)``.
        ignore_index: Label of the pixels that belong to no class.

    Returns:
        The numbers of agreeing and of all pixels of every class; without a label map those of both maps together.

    Raises:
        ValueError: If the shapes differ, or a map holds something that is no class.

    Example:
        >>> import torch
        >>> pred_a, pred_b = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 1]])
        >>> class_agreement(pred_a, pred_b, num_classes=3).shares  # 2 · 1 / (2 + 1) and 2 · 2 / (2 + 3)
        {0: 0.6667, 1: 0.8}
        >>> class_agreement(pred_a, pred_b, num_classes=3, label=torch.tensor([[2, 2, 2, 255]])).shares
        {2: 0.6667}
    """
    check_least(num_classes=(num_classes, 1))
    as_integer('ignore_index', ignore_index)
    pred_a, pred_b, *labels = _class_maps(pred_a, pred_b, label)
    same = pred_a == pred_b
    if labels:
        label, labelled = _labelled(*labels, ignore_index, same.device)
        agreeing = _count(label[labelled & same], num_classes, 'label')
        return ClassAgreement(agreeing, _count(label[labelled], num_classes, 'label'))
    pixels = zip(_count(pred_a, num_classes, 'pred_a'), _count(pred_b, num_classes, 'pred_b'), strict=True)
    return ClassAgreement(
        tuple(2 * count for count in _count(pred_a[same], num_classes, 'pred_a')), tuple(map(sum, pixels))
    )


def boundary_agreement(
    pred_a: Tensor, pred_b: Tensor, width: int, label: Tensor | None = None, ignore_index: int = 255
) -> BoundaryAgreement:
    """Compare two class maps of the same place near boundaries and in the interior of regions.

    With a label map the boundaries are its own, and only labelled pixels count. Ignored pixels are a region like any
    other for this purpose: where a data set leaves a rim unlabelled around its objects, as VOC does, the band lies
    along that rim, as the trimaps of Krähenbühl & Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian
    Edge Potentials", NeurIPS 2011. Without one they are the boundaries of both predictions, so every pixel at which
    one of two predictions changes lies in the band; where a whole region flips, its interior does not.

    Args:
        pred_a: One class map, ``(h, w)``.
        pred_b: The other, ``(h, w)``.
        width: Reach of the band on either side, see `boundary_band`.
        label: Label map of the same place, ``(h, w)``.
        ignore_index: Label of the pixels that do not count.

    Raises:
        ValueError: If the shapes differ or ``width`` is below 1.

    Example:
        >>> import torch
        >>> pred_a = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])
        >>> pred_b = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1]])
        >>> boundary_agreement(pred_a, pred_b, width=1)  # the band has pixels 2 to 4, and they differ at 3
        BoundaryAgreement(boundary_agreeing=2, boundary_pixels=3, interior_agreeing=5, interior_pixels=5)
    """
    pred_a, pred_b, *labels = _class_maps(pred_a, pred_b, label)
    as_integer('ignore_index', ignore_index)
    same = pred_a == pred_b
    if not labels:
        band = boundary_band(pred_a, width) | boundary_band(pred_b, width)
        interior = ~band
    else:
        label, labelled = _labelled(*labels, ignore_index, same.device)
        near = boundary_band(label, width)
        band, interior = near & labelled, ~near & labelled
    return BoundaryAgreement(*(int(part.sum()) for part in (same & band, band, same & interior, interior)))


def boundary_band(classes: Tensor, width: int) -> Tensor:
    """Return, as a map of booleans, which pixels are at most ``width`` pixels away from one of another class.

    Distance is the larger one of the distances in rows and in columns. So ``width=1`` gives the two pixels on either
    side of a straight boundary, one each, and ``width=d`` a band of ``2 * d`` pixels. Of every class it is the band of
    Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021, whose usual width
    is 2 % of the image's diagonal, ``round(0.02 * math.hypot(h, w))``. Unlike theirs, the border of the map is no
    boundary: a crop ends there, not an object.

    Args:
        classes: A class map, ``(h, w)``.
        width: Reach of the band on either side, in pixels, at least 1.

    Raises:
        ValueError: If ``classes`` is not a map or ``width`` is below 1.

    Example:
        >>> import torch
        >>> boundary_band(torch.tensor([[4, 4, 4, 7, 7, 7]]), width=2).int()
        tensor([[0, 1, 1, 1, 1, 0]], dtype=torch.int32)
    """
    classes = as_class_maps('classes', classes)
    check_least(width=(width, 1))
    touching = torch.zeros_like(classes, dtype=torch.bool)
    (height, side), steps = classes.shape, ((0, 1), (1, 0), (1, 1), (1, -1))
    for down, right in steps:  # compared as integers: large ones have no float of their own
        rows, lower = slice(0, height - down), slice(down, height)
        columns, shifted = slice(max(0, -right), side - max(0, right)), slice(max(0, right), side + min(0, right))
        other = classes[rows, columns] != classes[lower, shifted]
        touching[rows, columns] |= other
        touching[lower, shifted] |= other
    # Row by row and then column by column: a square window of 2 % of the diagonal costs far more at once.
    window, reach = 2 * width - 1, width - 1
    rows = max_pool2d(touching[None].float(), (window, 1), 1, (reach, 0))
    return max_pool2d(rows, (1, window), 1, (0, reach))[0] > 0


def _count(classes: Tensor, num_classes: int, name: str) -> tuple[int, ...]:
    classes = classes.flatten()
    if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
        raise ValueError(
            f'{name} must hold classes from 0 to {num_classes - 1}, got {int(classes.min())} to {int(classes.max())}'
        )
    return tuple(classes.bincount(minlength=num_classes).tolist())


def _labelled(label: Tensor, ignore_index: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return a label map where the predictions are, and which of its pixels are labelled."""
    label = label.to(device)
    labelled = label != ignore_index
    if (label[labelled] < 0).any():
        raise ValueError(
            f'label must hold classes of at least 0, or ignore_index {ignore_index}, got {int(label[labelled].min())}'
        )
    return label, labelled


def _class_maps(pred_a: Tensor, pred_b: Tensor, label: Tensor | None = None) -> list[Tensor]:
    """Return class maps, and the label map if there is one, as integers; raise unless they have one shape."""
    pred_a, pred_b = as_class_maps('pred_a', pred_a), as_class_maps('pred_b', pred_b)
    if pred_a.shape != pred_b.shape:
        raise ValueError(
            'pred_a and pred_b must be class maps of the same shape (h, w), '
            f'got {tuple(pred_a.shape)} and {tuple(pred_b.shape)}'
        )
    if label is None:
        return [pred_a, pred_b]
    label = as_class_maps('label', label)
    if label.shape != pred_a.shape:
        raise ValueError(f'label must have the shape {tuple(pred_a.shape)} of the class maps, got {tuple(label.shape)}')
    return [pred_a, pred_b, label]
