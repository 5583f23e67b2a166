"""Consistency of a classifier under shifts.

Letters: image ``C H W``, view of it ``h w``, views ``V``, classes ``N``.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from antialias_plugins.metrics.interval import format_percent, mean_interval
from antialias_plugins.metrics.labels import with_labels
from antialias_plugins.metrics.per_image import PerImageMetric
from antialias_plugins.metrics.view_agreement import ViewAgreement, classification_agreement
from antialias_plugins.metrics.view_plan import Protocol, ViewPlan


@dataclass(frozen=True)
class ClassificationConsistency:
    """Consistency over images; shares in [0, 1], intervals as half-widths at 95 %.

    An interval is ``None`` for a single image and for the legacy protocol, whose images are not independent.

    Attributes:
        mean: Share of images on which all views agree.
        interval: Half-width of its interval.
        images: Number of images.
        probability_change: Mean absolute change of the top class's probability.
        probability_change_interval: Half-width of its interval.
        correct_mean: Correct-consistency; ``None`` without labels, or if no view of any image is classified correctly.
        correct_interval: Half-width of its interval.
    """

    mean: float
    interval: float | None
    images: int
    probability_change: float
    probability_change_interval: float | None
    correct_mean: float | None = None
    correct_interval: float | None = None

    def __str__(self) -> str:
        text = f'consistency {format_percent(self.mean, self.interval)} (n = {self.images})'
        if self.correct_mean is None:
            return text
        return f'{text}, correct-consistency {format_percent(self.correct_mean, self.correct_interval)}'


class ShiftConsistency(PerImageMetric[tuple[ViewAgreement, ...], ClassificationConsistency]):
    """Accumulates `shift_consistency` image by image.

    It keeps what the views of an image agreed on, by the image's index, so an image that is seen twice counts once, on
    one process or, after `merge`, on several.

    Args:
        plan: Which views are taken of an image.
    """

    def __init__(self, plan: ViewPlan) -> None:
        super().__init__()
        self.plan = plan

    def add(self, index: int, logits: Tensor, label: int | None = None) -> tuple[ViewAgreement, ...]:
        """Keep how the views of one image are classified.

        Args:
            index: The image's index in its data set.
            logits: Logits of the views that ``plan.cut`` returned, ``(V, N)``.
            label: The image's class.

        Returns:
            How they agree, once per repeat.

        Raises:
            ValueError: If ``logits`` is not one finite row per view, or ``label`` is not one of its classes.
        """
        rows = self.plan.repeats * self.plan.views
        if logits.ndim != 2 or len(logits) != rows:
            raise ValueError(f'logits must have shape ({rows}, N), one row per view, got {tuple(logits.shape)}')
        kept = tuple(classification_agreement(part, label) for part in logits.split(self.plan.views))
        self._records[index] = kept
        return kept

    def update(
        self, index: int, image: Tensor, predict: Callable[[Tensor], Tensor], label: int | None = None
    ) -> tuple[ViewAgreement, ...]:
        """Cut the views of one image, predict them in one batch and keep how they agree.

        Args:
            index: The image's index in its data set.
            image: The image, ``(C, H, W)``.
            predict: Maps the views, ``(V, C, h, w)``, to their logits, ``(V, N)``.
            label: The image's class.

        Returns:
            How the views agree, once per repeat.

        Raises:
            ValueError: If the image is too small, or ``predict`` or ``label`` is wrong.
        """
        return self.add(index, predict(self.plan.cut(index, image)), label)

    def compute(self) -> ClassificationConsistency:
        """Return the consistency over all images so far.

        Raises:
            ValueError: If there are none.
        """
        repeats = list(zip(*self._measured(), strict=True))
        mean, interval = self._mean([[a.agree for a in repeat] for repeat in repeats])
        change, change_interval = self._mean([[a.probability_change for a in repeat] for repeat in repeats])
        correct = [[a.all_correct for a in repeat if a.any_correct] for repeat in repeats]
        correct_mean, correct_interval = self._mean(correct)
        return ClassificationConsistency(
            mean, interval, len(self._records), change, change_interval, correct_mean, correct_interval
        )

    def _mean(self, repeats: Sequence[Collection[float]]) -> tuple[float | None, float | None]:
        """Mean over the repeats that have a value, and the interval where the images are independent."""
        measured = [mean_interval(values) for values in repeats if values]
        if not measured:
            return None, None
        return fmean(mean for mean, _ in measured), measured[0][1] if self.plan.protocol == 'per_image' else None


@torch.no_grad()
def shift_consistency(
    predict: Callable[[Tensor], Tensor],
    images: Iterable[Tensor],
    labels: Iterable[int] | None = None,
    *,
    max_shift: int = 32,
    crop_size: int | tuple[int, int] = 224,
    views: int = 2,
    circular: bool = False,
    seed: int = 0,
    protocol: Protocol = 'per_image',
    batch_size: int | None = None,
    subpixel: int = 1,
) -> ClassificationConsistency:
    """Measure how little a classification depends on where the image is cropped.

    Of every image ``views`` crops are taken at different random offsets. The consistency is the share of images on
    which they all have the same top class:

        100 % · #{all views agree} / #{images}

    for two views as in Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019, for more as in Zou et
    al., "Delving Deeper into Anti-aliasing in ConvNets", BMVC 2020. With labels, correct-consistency is measured too,
    as in the code of the latter:

        100 % · #{all views agree and at least one is correct} / #{at least one is correct}

    so a network that is consistently wrong gains nothing. The mean absolute change of the top class's probability
    (`mean_absolute_change`) tells apart networks between which the other two cannot decide.

    Offsets are drawn for each image from the seed and its index, so that nothing else matters (`draw_offsets`).
    ``protocol='legacy'`` is the published evaluation: ``batch_size`` consecutive images share their offsets, which may
    be equal, and the result is the mean of five repeats. Its images are to be resized to 256 and cropped at the
    centre by the caller. The published offsets were drawn without a seed (`draw_batch_offsets`), so a published number
    can be met only up to its spread over seeds.

    With ``subpixel`` above 1 the views differ by fractions of a pixel, as in Michaeli et al., "Alias-Free Convnets:
    Fractional Shift Invariance via Polynomial Activations", CVPR 2023. A network that selects one of the possible
    subsampling grids (Chaman & Dokmanić, "Truly Shift-Invariant Convolutional Neural Networks", CVPR 2021) scores 100 %
    under whole circular shifts, but not under these.

    Args:
        predict: Maps the views of one image, in one batch, to their logits; in evaluation mode, and on the device where
            the images are.
        images: The images; their sizes may differ. Crops are taken from the centre of size ``crop_size + max_shift``.
        labels: The class of each image.
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``; from 2 to the shorter side of ``crop_size``.
        crop_size: Size of a view in pixels: its side, or its height and width.
        views: Number of views that have to agree, at least 2.
        circular: Shift the central crop of size ``crop_size`` circularly, so that no content enters or leaves. A
            network that is exactly shift-invariant scores 100 %.
        seed: Seed of the offsets, at least 0. Image number ``i`` of ``images`` always gets the same ones.
        protocol: ``'per_image'`` or ``'legacy'``.
        batch_size: Number of consecutive images that share their offsets; for the legacy protocol, and only for it.
        subpixel: Views after the first begin at multiples of ``1 / subpixel`` pixels, interpolated by `fourier_shift`;
            above 1 for circular shifts of floating-point images and ``'per_image'`` only.

    Shape:
        - predict: ``(V, C, h, w)`` → ``(V, N)``
        - images: ``(C, H, W)`` each

    Returns:
        The shares, their 95 % intervals over images (see `mean_interval`), and the number of images.

    Raises:
        ValueError: If there are no images, an image is too small, an argument is outside its range, the labels do not
            fit the images, or ``predict`` does not return one finite row per view.

    Example:
        >>> images = torch.rand(3, 1, 16, 16)
        >>> result = shift_consistency(lambda x: x.flatten(1)[:, :2], images, max_shift=8, crop_size=8, circular=True)
        >>> result.images
        3
        >>> print(shift_consistency(lambda x: torch.eye(5)[[0] * len(x)], images, max_shift=8, crop_size=8))
        consistency 100.00 ± 0.00 % (n = 3)
    """
    consistency = ShiftConsistency(
        ViewPlan(max_shift, crop_size, views, circular, seed, protocol, batch_size, subpixel)
    )
    for index, (image, label) in enumerate(with_labels(images, labels)):
        consistency.update(index, image, predict, label)
    return consistency.compute()
