"""The least agreement of a segmentation over a grid of shifts.

Letters: image ``C H W``, view of it ``h w``, views in a batch ``B``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from antialias_plugins.metrics.agreement import segmentation_consistency
from antialias_plugins.metrics.class_maps import check_label_map, place, predict_class_maps
from antialias_plugins.metrics.interval import MeanShare, format_percent
from antialias_plugins.metrics.labels import check_some_labelled, with_labels
from antialias_plugins.metrics.offsets import Shift
from antialias_plugins.metrics.per_image import PerImageMetric
from antialias_plugins.metrics.shift_grid import ShiftGrid, check_batch_size


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
class WorstCaseSegmentation:
    """Mean over images of each one's least agreement; shares in [0, 1], intervals as half-widths at 95 %.

    Attributes:
        mean: Mean least share of agreeing pixels, over all pixels of each overlap.
        interval: Half-width of its interval; ``None`` for a single image.
        images: Number of images.
        labelled_mean: Mean least share over labelled pixels; ``None`` if no image has any.
        labelled_interval: Half-width of its interval; ``None`` for fewer than two images with labelled pixels.
        labelled_images: Number of images with labelled pixels.
    """

    mean: float
    interval: float | None
    images: int
    labelled_mean: float | None = None
    labelled_interval: float | None = None
    labelled_images: int = 0

    def __str__(self) -> str:
        text = f'worst-case mASSC {format_percent(self.mean, self.interval)} (n = {self.images})'
        if self.labelled_mean is None:
            return text
        labelled = format_percent(self.labelled_mean, self.labelled_interval)
        return f'{text}, labelled pixels {labelled} (n = {self.labelled_images})'


class WorstCaseSegmentationConsistency(PerImageMetric[WorstShift, WorstCaseSegmentation]):
    """Accumulates `worst_case_segmentation_consistency` image by image.

    Args:
        grid: The shifts, without ``crop_size``: crops are as large as the image allows.
        batch_size: Largest number of views that are predicted at once; the result does not depend on it.
        ignore_index: Label of the pixels that are left out of the labelled share.

    Raises:
        ValueError: If ``batch_size`` is below 1 or ``grid`` has a ``crop_size``.
    """

    def __init__(self, grid: ShiftGrid, batch_size: int = 8, ignore_index: int = 255) -> None:
        super().__init__()
        check_batch_size(batch_size)
        if grid.crop_size is not None:
            raise ValueError(
                f'grid must not have a crop_size, crops are as large as the image allows, got {grid.crop_size}'
            )
        self.grid = grid
        self.ignore_index = ignore_index
        self._batch_size = batch_size

    def update(
        self, index: int, image: Tensor, predict: Callable[[Tensor], Tensor], label: Tensor | None = None
    ) -> WorstShift:
        """Segment one image at every shift and keep the least agreement with the view at (0, 0).

        Args:
            index: The image's index in its data set.
            image: The image, ``(C, H, W)``.
            predict: Maps views, ``(B, C, h, w)``, to their class maps, ``(B, h, w)``.
            label: The image's label map, ``(H, W)``.

        Returns:
            What is kept.

        Raises:
            ValueError: If the image is too small, or a shape is wrong.
        """
        check_label_map(label, image, index)
        first, found, labelled = None, [], []
        for offsets, views in self.grid.batches(image, self._batch_size):
            placed = zip(*place(predict_class_maps(predict, views), offsets, self.grid.circular), strict=True)
            for offset, (classes, corner) in zip(offsets, placed, strict=True):
                if first is None:
                    # A copy, so that the rest of its batch can be freed.
                    first = classes.clone()
                    continue
                agreement = segmentation_consistency(first, classes, (0, 0), corner, label, self.ignore_index)
                found.append((agreement.share, offset))
                labelled += [] if agreement.labelled_share is None else [agreement.labelled_share]
        self._records[index] = WorstShift(*min(found), min(labelled, default=None))
        return self._records[index]

    def compute(self) -> WorstCaseSegmentation:
        """Return the means over all images so far.

        Raises:
            ValueError: If there are none.
        """
        records = self._measured()
        worst = MeanShare.of([record.share for record in records])
        labelled = MeanShare.of([record.labelled_share for record in records if record.labelled_share is not None])
        return WorstCaseSegmentation(
            worst.mean, worst.interval, worst.images, labelled.mean, labelled.interval, labelled.images
        )


@torch.no_grad()
def worst_case_segmentation_consistency(
    predict: Callable[[Tensor], Tensor],
    images: Iterable[Tensor],
    labels: Iterable[Tensor] | None = None,
    *,
    max_shift: int = 8,
    stride: int = 1,
    circular: bool = False,
    subpixel: int = 1,
    batch_size: int = 8,
    ignore_index: int = 255,
) -> WorstCaseSegmentation:
    """Measure how far a segmentation can be moved away by the worst shift of a grid.

    Every image is segmented at each shift of `ShiftGrid`, not at two random ones, and compared with the view at (0, 0)
    as in `mean_segmentation_consistency`. Each image counts with the least share of agreeing pixels that was found.
    Where the whole map is compared, two shifts of the grid differ from each other in at most twice the pixels in which
    the worst one differs from the first.

    Args:
        predict: Maps views of one image to their class maps; in evaluation mode, and on the device where the images
            are. For a network that returns logits: ``lambda x: network(x).argmax(1)``.
        images: The images; their sizes may differ.
        labels: One label map per image. With them the least share over labelled pixels is measured too.
        max_shift: All shifts are below it, in pixels; at most half the shorter side of the smallest image, or for
            circular shifts that side.
        stride: Step of the grid, in units of ``1 / subpixel`` pixels.
        circular: Shift circularly and compare the whole map, rolled back.
        subpixel: How many parts a pixel has; above 1 for circular shifts of floating-point images only. Maps are rolled
            back by the nearest whole number of pixels.
        batch_size: Largest number of views that are predicted at once.
        ignore_index: Label of the pixels that do not count as labelled.

    Shape:
        - predict: ``(B, C, h, w)`` → ``(B, h, w)``
        - images: ``(C, H, W)`` each
        - labels: ``(H, W)`` each

    Returns:
        The mean least shares, their 95 % intervals over images (see `mean_interval`), and the numbers of images.

    Raises:
        ValueError: If there are no images, an image is too small, an argument is outside its range, the labels do not
            fit the images or are ignored everywhere, or ``predict`` returns another shape.

    Example:
        >>> images = torch.rand(3, 1, 16, 16)
        >>> print(worst_case_segmentation_consistency(lambda x: x[:, 0] > 0.5, images, max_shift=3))
        worst-case mASSC 100.00 ± 0.00 % (n = 3)
    """
    grid = ShiftGrid(max_shift, stride, None, circular, subpixel)
    consistency = WorstCaseSegmentationConsistency(grid, batch_size, ignore_index)
    for index, (image, label) in enumerate(with_labels(images, labels)):
        consistency.update(index, image, predict, label)
    result = consistency.compute()
    check_some_labelled(labels is not None, result.labelled_images, ignore_index)
    return result
