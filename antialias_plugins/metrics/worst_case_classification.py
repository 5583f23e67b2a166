"""Whether any shift of a grid changes a classification.

Letters: image ``C H W``, view of it ``h w``, views in a batch ``B``, classes ``N``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from antialias_plugins.metrics.interval import format_percent, mean_interval
from antialias_plugins.metrics.labels import with_labels
from antialias_plugins.metrics.per_image import PerImageMetric
from antialias_plugins.metrics.shift_grid import ShiftGrid, check_batch_size


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
class WorstCaseClassification:
    """Worst case over a grid of shifts; shares in [0, 1], intervals as half-widths at 95 %.

    Attributes:
        mean: Share of images whose top class no shift changes.
        interval: Half-width of its interval; ``None`` for a single image.
        images: Number of images.
        accuracy: Share of images that are classified correctly at every shift; ``None`` without labels.
        accuracy_interval: Half-width of its interval.
    """

    mean: float
    interval: float | None
    images: int
    accuracy: float | None = None
    accuracy_interval: float | None = None

    def __str__(self) -> str:
        text = f'worst-case consistency {format_percent(self.mean, self.interval)} (n = {self.images})'
        if self.accuracy is None:
            return text
        return f'{text}, worst-case accuracy {format_percent(self.accuracy, self.accuracy_interval)}'


class WorstCaseShiftConsistency(PerImageMetric[GridAgreement, WorstCaseClassification]):
    """Accumulates `worst_case_shift_consistency` image by image.

    Args:
        grid: The shifts.
        batch_size: Largest number of views that are predicted at once; the result does not depend on it.

    Raises:
        ValueError: If ``batch_size`` is below 1.
    """

    def __init__(self, grid: ShiftGrid, batch_size: int = 64) -> None:
        super().__init__()
        check_batch_size(batch_size)
        self.grid = grid
        self._batch_size = batch_size

    def update(
        self, index: int, image: Tensor, predict: Callable[[Tensor], Tensor], label: int | None = None
    ) -> GridAgreement:
        """Classify one image at every shift and keep whether all agree.

        Args:
            index: The image's index in its data set.
            image: The image, ``(C, H, W)``.
            predict: Maps views, ``(B, C, h, w)``, to their logits, ``(B, N)``.
            label: The image's class.

        Returns:
            What is kept.

        Raises:
            ValueError: If the image is too small, or ``predict`` or ``label`` is wrong.
        """
        top = [_top_classes(predict(views), views, label) for _, views in self.grid.batches(image, self._batch_size)]
        classes = set(torch.cat(top).tolist())
        self._records[index] = GridAgreement(len(classes) == 1, None if label is None else classes == {label})
        return self._records[index]

    def compute(self) -> WorstCaseClassification:
        """Return the shares over all images so far.

        Raises:
            ValueError: If there are none, or only some have a label.
        """
        records = self._measured()
        agree, correct = [record.agree for record in records], [record.correct for record in records]
        if all(value is None for value in correct):
            return WorstCaseClassification(*mean_interval(agree), len(records))
        if None in correct:
            raise ValueError(f'label must be given for all images or for none, got {correct.count(None)} without')
        return WorstCaseClassification(*mean_interval(agree), len(records), *mean_interval(correct))


def _top_classes(logits: Tensor, views: Tensor, label: int | None) -> Tensor:
    if logits.ndim != 2 or len(logits) != len(views):
        raise ValueError(f'predict must return logits of shape ({len(views)}, N), got {tuple(logits.shape)}')
    if not logits.isfinite().all():
        raise ValueError('predict must return finite logits')
    if label is not None and not 0 <= label < logits.shape[1]:
        raise ValueError(f'label must be one of {logits.shape[1]} classes, got {label}')
    return logits.argmax(1)


@torch.no_grad()
def worst_case_shift_consistency(
    predict: Callable[[Tensor], Tensor],
    images: Iterable[Tensor],
    labels: Iterable[int] | None = None,
    *,
    max_shift: int = 8,
    stride: int = 1,
    crop_size: int | tuple[int, int] | None = None,
    circular: bool = False,
    subpixel: int = 1,
    batch_size: int = 64,
) -> WorstCaseClassification:
    """Measure how many classifications no shift of a grid can change.

    Every image is classified at each shift of `ShiftGrid`, not at a few random ones: it counts if the top class is
    always the same and, with labels, for the accuracy if it is always the right one. The latter is the accuracy under
    adversarial shifts of Michaeli et al., "Alias-Free Convnets: Fractional Shift Invariance via Polynomial
    Activations", CVPR 2023, there on circular grids of whole, half and quarter pixels.

    Args:
        predict: Maps views of one image to their logits; in evaluation mode, and on the device where the images are.
        images: The images; their sizes may differ.
        labels: The class of each image.
        max_shift: All shifts are below it, in pixels: ``max_shift²`` views by default.
        stride: Step of the grid, in units of ``1 / subpixel`` pixels.
        crop_size: Size of a view in pixels, by default as large as the image allows.
        circular: Shift circularly, so that no content enters or leaves.
        subpixel: How many parts a pixel has; above 1 for circular shifts of floating-point images only.
        batch_size: Largest number of views that are predicted at once.

    Shape:
        - predict: ``(B, C, h, w)`` → ``(B, N)``
        - images: ``(C, H, W)`` each

    Returns:
        The shares, their 95 % intervals over images (see `mean_interval`), and the number of images.

    Raises:
        ValueError: If there are no images, an image is too small, an argument is outside its range, the labels do not
            fit the images, or ``predict`` does not return one finite row per view.

    Example:
        >>> images = torch.rand(3, 1, 8, 8)
        >>> print(worst_case_shift_consistency(lambda x: x.mean((2, 3)) * torch.ones(1, 2), images, max_shift=3))
        worst-case consistency 100.00 ± 0.00 % (n = 3)
    """
    consistency = WorstCaseShiftConsistency(ShiftGrid(max_shift, stride, crop_size, circular, subpixel), batch_size)
    for index, (image, label) in enumerate(with_labels(images, labels)):
        consistency.update(index, image, predict, label)
    return consistency.compute()
