"""Worst case over a grid of shifts, of a classification and of a segmentation.

Letters: image ``C H W``, view of it ``h w``, views in a batch ``B``, classes ``N``.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from antialias_plugins.metrics.agreement import segmentation_consistency
from antialias_plugins.metrics.base import Look, MeanResult, PerImageMetric, Predict
from antialias_plugins.metrics.inputs import as_class, as_integer, as_logits, check_least, check_type
from antialias_plugins.metrics.intervals import Interval
from antialias_plugins.metrics.offsets import ShiftGrid
from antialias_plugins.metrics.segmentation import (
    PixelConsistency,
    as_label_map,
    as_parts,
    check_some_labelled,
    classes_in,
    place_class_maps,
)
from antialias_plugins.metrics.views import Shift


@dataclass(frozen=True)
class GridAgreement:
    """What one image is classified as over a grid of shifts.

    Attributes:
        agree: Whether the top class is the same at every shift.
        correct: Whether it is the label's at every shift; ``None`` without a label.
    """

    agree: bool
    correct: bool | None = None


@dataclass(frozen=True)
class WorstCaseClassification(MeanResult):
    """Worst case over a grid of shifts: the mean is the share of images whose top class no shift changes.

    Attributes:
        accuracy: Share of images that are classified correctly at every shift; ``None`` without labels.
        accuracy_interval: Limits of its interval.
    """

    accuracy: float | None = None
    accuracy_interval: Interval | None = None

    parts: ClassVar[dict[str, tuple[str, ...]]] = {
        'worst_case_consistency': ('mean', 'interval', 'images'),
        'worst_case_accuracy': ('accuracy', 'accuracy_interval', 'images'),
    }
    titles: ClassVar[dict[str, str]] = {
        'worst_case_consistency': 'worst-case consistency',
        'worst_case_accuracy': 'worst-case accuracy',
    }


@dataclass(eq=False)
class WorstCaseShiftConsistency(PerImageMetric[GridAgreement, WorstCaseClassification]):
    """Accumulates `worst_case_shift_consistency` image by image, with its ``batch_size``, at the shifts ``grid``."""

    grid: ShiftGrid
    batch_size: int = field(default=64, compare=False)

    def __post_init__(self) -> None:
        check_type('grid', self.grid, ShiftGrid)
        check_least(batch_size=(self.batch_size, 1))

    def _look(self, index: int, image: Tensor, predict: Predict, label: int | None) -> Look:
        """Classify one image at every shift; keep and return whether all agree."""
        classes = set()
        for _, views in self.grid.batches(image, self.batch_size):
            logits = as_logits('logits of predict', predict(views), len(views))
            label = None if label is None else as_class(label, logits.shape[1])
            classes |= set(logits.argmax(1).tolist())
        found = GridAgreement(len(classes) == 1, None if label is None else classes == {label})
        return Look(found, found, frozenset(classes))

    def compute(self) -> WorstCaseClassification:
        """Return the shares over all images so far; raise `ValueError` if there are none or only some have a label."""
        records = self._measured()
        agree = self._mean({index: record.agree for index, record in records.items()})
        correct = {index: record.correct for index, record in records.items()}
        labelled = [value for value in correct.values() if value is not None]
        if 0 < len(labelled) < len(records):
            missing = len(records) - len(labelled)
            raise ValueError(f'label must be given for all images or for none, got {missing} without')
        accuracy = as_parts(self._mean(correct))[:2] if labelled else ()
        return WorstCaseClassification(*as_parts(agree), *accuracy, note=self._note())


def worst_case_shift_consistency(
    predict: Predict,
    images: Iterable[Tensor],
    labels: Iterable[int] | None = None,
    *,
    max_shift: int = 8,
    stride: int = 1,
    crop_size: int | tuple[int, int] | None = None,
    circular: bool = False,
    subpixel: int = 1,
    batch_size: int = 64,
    groups: Iterable[Hashable] | None = None,
) -> WorstCaseClassification:
    """Measure how many classifications no shift of a grid can change.

    Every image is classified at each shift of `ShiftGrid`, not at a few random ones: it counts if the top class is
    always the same and, with labels, for the accuracy if it is always the right one. The latter is the accuracy under
    adversarial shifts of Michaeli et al., "Alias-Free Convnets: Fractional Shift Invariance via Polynomial
    Activations", CVPR 2023, there on circular grids of whole, half and quarter pixels.

    Args:
        predict: Maps views of one image to their logits, ``(B, C, h, w)`` → ``(B, N)``, as for `shift_consistency`.
        images: The images, ``(C, H, W)`` each; their sizes may differ.
        labels: The class of each image; a sequence or a tensor of integers.
        max_shift: All shifts are below it, in pixels: ``max_shift²`` views by default.
        stride: Step of the grid, in units of ``1 / subpixel`` pixels.
        crop_size: Size of a view in pixels, by default as large as the image allows.
        circular: Shift circularly, so that no content enters or leaves.
        subpixel: How many parts a pixel has; above 1 for circular shifts of floating-point images only.
        batch_size: Largest number of views that are predicted at once; the result does not depend on it.
        groups: As for `shift_consistency`.

    Raises:
        ValueError: As `shift_consistency`.

    Example:
        >>> import torch
        >>> images = torch.rand(3, 1, 8, 8)
        >>> print(worst_case_shift_consistency(lambda x: x.mean((2, 3)) * torch.ones(1, 2), images, max_shift=3))
        worst-case consistency 100.00 [29.24, 100.00] % (n = 3); note: all predictions are of one class, 0
    """
    grid = ShiftGrid(max_shift, stride, crop_size, circular, subpixel)
    return WorstCaseShiftConsistency(grid, batch_size).measure(predict, images, labels, groups)


@dataclass(frozen=True)
class WorstShift:
    """The least agreement of one image.

    Attributes:
        share: Share of agreeing pixels, in [0, 1].
        offset: The shift at which it was found, the first one of several.
        labelled_share: Least share among labelled pixels, at whichever shift; ``None`` if there are none.
    """

    share: float
    offset: Shift
    labelled_share: float | None = None


@dataclass(frozen=True)
class WorstCaseSegmentation(PixelConsistency):
    """Mean over images of each one's least agreement; its attributes are those of `PixelConsistency`."""

    parts: ClassVar[dict[str, tuple[str, ...]]] = {
        'worst_case_mASSC': ('mean', 'interval', 'images'),
        'worst_case_mASSC_labelled': ('labelled_mean', 'labelled_interval', 'labelled_images'),
    }
    titles: ClassVar[dict[str, str]] = {
        'worst_case_mASSC': 'worst-case mASSC',
        'worst_case_mASSC_labelled': 'worst-case mASSC, labelled pixels',
    }


@dataclass(eq=False)
class WorstCaseSegmentationConsistency(PerImageMetric[WorstShift, WorstCaseSegmentation]):
    """Accumulates `worst_case_segmentation_consistency` image by image, with its ``batch_size`` and ``ignore_index``.

    The ``grid`` of shifts must not have a ``crop_size``: crops are as large as the image allows.
    """

    grid: ShiftGrid
    batch_size: int = field(default=8, compare=False)
    ignore_index: int = 255

    def __post_init__(self) -> None:
        check_type('grid', self.grid, ShiftGrid)
        check_least(batch_size=(self.batch_size, 1))
        as_integer('ignore_index', self.ignore_index)
        size = self.grid.crop_size
        if size is not None:
            raise ValueError(f'grid must not have a crop_size, crops are as large as the image allows, got {size}')

    def _look(self, index: int, image: Tensor, predict: Predict, label: Tensor | None) -> Look:
        """Segment one image at every shift; keep and return the least agreement with the view at (0, 0)."""
        label = as_label_map(label, image, index)
        first, found, labelled, seen = None, [], [], frozenset[int]()
        for offsets, views in self.grid.batches(image, self.batch_size):
            maps, corners = place_class_maps(predict, views, offsets, self.grid.circular)
            seen |= classes_in(maps)
            for offset, classes, corner in zip(offsets, maps, corners, strict=True):
                if first is None:
                    # A copy, so that the rest of its batch can be freed.
                    first = classes.clone()
                    continue
                agreement = segmentation_consistency(first, classes, (0, 0), corner, label, self.ignore_index)
                found.append((agreement.share, offset))
                labelled += [] if agreement.labelled_share is None else [agreement.labelled_share]
        worst = WorstShift(*min(found), min(labelled, default=None))
        return Look(worst, worst, seen)

    def compute(self) -> WorstCaseSegmentation:
        """Return the means over all images so far."""
        records = self._measured()
        worst = self._mean({index: record.share for index, record in records.items()})
        labelled = {index: it.labelled_share for index, it in records.items() if it.labelled_share is not None}
        return WorstCaseSegmentation(*as_parts(worst), *as_parts(self._mean(labelled)), note=self._note())


def worst_case_segmentation_consistency(
    predict: Predict,
    images: Iterable[Tensor],
    labels: Iterable[Tensor] | None = None,
    *,
    max_shift: int = 8,
    stride: int = 1,
    circular: bool = False,
    subpixel: int = 1,
    batch_size: int = 8,
    ignore_index: int = 255,
    groups: Iterable[Hashable] | None = None,
) -> WorstCaseSegmentation:
    """Measure how far a segmentation can be moved away by the worst shift of a grid.

    Every image is segmented at each shift of `ShiftGrid`, not at two random ones, and compared with the view at (0, 0)
    as in `mean_segmentation_consistency`. Each image counts with the least share of agreeing pixels that was found.
    Where the whole map is compared, two shifts of the grid differ from each other in at most twice the pixels in which
    the worst one differs from the first.

    Args:
        predict: Maps views of one image to their class maps, ``(B, C, h, w)`` → ``(B, h, w)``, as for
            `mean_segmentation_consistency`.
        images: As for `mean_segmentation_consistency`.
        labels: As for `mean_segmentation_consistency`; the least share over labelled pixels is measured with them.
        max_shift: All shifts are below it, in pixels; at most half the shorter side of the smallest image, or for
            circular shifts that side.
        stride: Step of the grid, in units of ``1 / subpixel`` pixels.
        circular: Shift circularly and compare the whole map, rolled back.
        subpixel: As for `worst_case_shift_consistency`. Maps are rolled back by the nearest whole number of pixels.
        batch_size: As for `worst_case_shift_consistency`.
        ignore_index: Label of the pixels that do not count as labelled.
        groups: As for `mean_segmentation_consistency`.

    Raises:
        ValueError: As `mean_segmentation_consistency`, or if an argument is outside its range.

    Example:
        >>> import torch
        >>> images = torch.rand(3, 1, 16, 16)
        >>> print(worst_case_segmentation_consistency(lambda x: x[:, 0] > 0.5, images, max_shift=3))
        worst-case mASSC 100.00 [29.24, 100.00] % (n = 3)
    """
    grid = ShiftGrid(max_shift, stride, None, circular, subpixel)
    consistency = WorstCaseSegmentationConsistency(grid, batch_size, ignore_index)
    return check_some_labelled(consistency.measure(predict, images, labels, groups), labels, ignore_index)
