"""Consistency of semantic segmentation under shifts (mASSC).

Letters: image ``C H W``, view of it ``h w``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from antialias_plugins.metrics.agreement import PairAgreement, segmentation_consistency
from antialias_plugins.metrics.interval import format_percent, mean_interval
from antialias_plugins.metrics.labels import with_labels
from antialias_plugins.metrics.offsets import draw_offsets
from antialias_plugins.metrics.views import shifted_views


@dataclass(frozen=True)
class SegmentationConsistency:
    """Mean consistency over images; shares in [0, 1], intervals as half-widths at 95 %.

    Attributes:
        mean: Mean share of agreeing pixels, over all pixels of each overlap.
        interval: Half-width of its interval; ``None`` for a single image.
        images: Number of images.
        labelled_mean: Mean share over labelled pixels; ``None`` if no image has any.
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
        text = f'mASSC {format_percent(self.mean, self.interval)} (n = {self.images})'
        if self.labelled_mean is None:
            return text
        labelled = format_percent(self.labelled_mean, self.labelled_interval)
        return f'{text}, labelled pixels {labelled} (n = {self.labelled_images})'


class MeanSegmentationConsistency:
    """Accumulates `mean_segmentation_consistency` image by image.

    It keeps two numbers per image, by the image's index, so an image that is seen twice counts once, on one process
    or, after `merge`, on several.

    Args:
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``; at least 2, so that they can differ.
        seed: Seed of the offsets, at least 0.
        circular: Shift circularly and compare the whole map, instead of comparing two crops on their overlap.
        ignore_index: Label of the pixels that are left out of the labelled share.

    Raises:
        ValueError: If ``max_shift`` or ``seed`` is below its range.
    """

    def __init__(self, max_shift: int = 32, seed: int = 0, circular: bool = False, ignore_index: int = 255) -> None:
        if max_shift < 2:
            raise ValueError(f'max_shift must be at least 2, so that two offsets can differ, got {max_shift}')
        if seed < 0:
            raise ValueError(f'seed must be at least 0, got {seed}')
        self.max_shift = max_shift
        self.seed = seed
        self.circular = circular
        self.ignore_index = ignore_index
        self._shares: dict[int, tuple[float, float | None]] = {}

    def update(
        self, index: int, image: Tensor, predict: Callable[[Tensor], Tensor], label: Tensor | None = None
    ) -> PairAgreement:
        """Predict two views of one image, compare them and keep the shares.

        Args:
            index: The image's index in its data set.
            image: The image, ``(C, H, W)``.
            predict: Maps the two views, ``(2, C, h, w)``, to their class maps, ``(2, h, w)``.
            label: The image's label map, ``(H, W)``.

        Returns:
            The counts behind the shares.

        Raises:
            ValueError: If the image is too small for ``max_shift``, or a shape is wrong.
        """
        if label is not None and label.shape != image.shape[-2:]:
            raise ValueError(
                f"label must have the image's size {tuple(image.shape[-2:])}, got shape {tuple(label.shape)} "
                f'for image {index}'
            )
        offsets = draw_offsets(self.seed, index, self.max_shift)
        views = shifted_views(image, offsets, self.max_shift, circular=self.circular)
        maps = predict(views)
        expected = (len(views), *views.shape[-2:])
        if tuple(maps.shape) != expected:
            raise ValueError(f'predict must return class maps of shape {expected}, got {tuple(maps.shape)}')
        if self.circular:
            maps = torch.stack([view.roll(offset, dims=(0, 1)) for view, offset in zip(maps, offsets, strict=True)])
            offsets = ((0, 0), (0, 0))
        agreement = segmentation_consistency(*maps, *offsets, label=label, ignore_index=self.ignore_index)
        self._shares[index] = agreement.share, agreement.labelled_share
        return agreement

    def merge(self, other: 'MeanSegmentationConsistency') -> None:
        """Add the images of ``other`` that are not here yet.

        Raises:
            ValueError: If ``other`` was measured with other settings.
        """
        if other._settings != self._settings:
            raise ValueError(f'other must have the same settings {self._settings}, got {other._settings}')
        self._shares = other._shares | self._shares

    def compute(self) -> SegmentationConsistency:
        """Return the means over all images so far.

        Raises:
            ValueError: If there are none.
        """
        if not self._shares:
            raise ValueError('images must hold at least one image, got none')
        mean, interval = mean_interval([share for share, _ in self._shares.values()])
        labelled = [share for _, share in self._shares.values() if share is not None]
        labelled_mean, labelled_interval = mean_interval(labelled) if labelled else (None, None)
        return SegmentationConsistency(
            mean, interval, len(self._shares), labelled_mean, labelled_interval, len(labelled)
        )

    @property
    def _settings(self) -> dict[str, int]:
        return {name: value for name, value in vars(self).items() if name != '_shares'}


@torch.no_grad()
def mean_segmentation_consistency(
    predict: Callable[[Tensor], Tensor],
    images: Iterable[Tensor],
    labels: Iterable[Tensor] | None = None,
    *,
    max_shift: int = 32,
    seed: int = 0,
    circular: bool = False,
    ignore_index: int = 255,
) -> SegmentationConsistency:
    """Measure how little a segmentation depends on where the image is cropped (mASSC).

    Of every image two crops of size ``(H - max_shift, W - max_shift)`` are taken at different random offsets. The
    share of pixels in their overlap that get the same class in both is averaged over the images: the mean average
    semantic segmentation consistency of Zou et al., "Delving Deeper into Anti-aliasing in ConvNets", BMVC 2020.

    Args:
        predict: Maps the two views of one image, in one batch, to their class maps; in evaluation mode, and on the
            device where the images are. For a network that returns logits: ``lambda x: network(x).argmax(1)``.
        images: The images; their sizes may differ.
        labels: One label map per image. With them the share over labelled pixels is measured too.
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``, see `draw_offsets`; from 2 to half the
            shorter side of the smallest image.
        seed: Seed of the offsets, at least 0. Image number ``i`` of ``images`` always gets the same ones.
        circular: Shift circularly and compare the whole map, rolled back; ``max_shift`` may then be as large as the
            shorter side.
        ignore_index: Label of the pixels that do not count as labelled. An image without any labelled pixel in the
            overlap is left out of the labelled mean only.

    Shape:
        - predict: ``(2, C, h, w)`` → ``(2, h, w)``
        - images: ``(C, H, W)`` each
        - labels: ``(H, W)`` each

    Returns:
        The mean shares, their 95 % intervals over images (see `mean_interval`), and the numbers of images.

    Raises:
        ValueError: If there are no images, an image is too small for ``max_shift``, the labels do not fit the images,
            or ``predict`` returns another shape.

    Example:
        >>> import torch
        >>> images = torch.rand(3, 1, 32, 48)
        >>> result = mean_segmentation_consistency(lambda x: x[:, 0] > 0.5, images, max_shift=8)  # sees single pixels
        >>> print(result)
        mASSC 100.00 ± 0.00 % (n = 3)
    """
    consistency = MeanSegmentationConsistency(max_shift, seed, circular, ignore_index)
    for index, (image, label) in enumerate(with_labels(images, labels)):
        consistency.update(index, image, predict, label)
    return consistency.compute()
