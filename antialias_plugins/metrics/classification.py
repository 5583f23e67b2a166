"""Consistency of a classifier under random shifts, and its classes along a diagonal.

Letters: image ``C H W``, view of it ``h w``, views ``V`` or, of a sweep, ``D``, classes ``N``.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.metrics.base import Look, MeanResult, PerImageMetric, Predict
from antialias_plugins.metrics.inputs import (
    as_class,
    as_integer,
    as_logits,
    as_tensor,
    check_least,
    check_type,
    in_evaluation,
)
from antialias_plugins.metrics.intervals import Interval
from antialias_plugins.metrics.offsets import Protocol, ViewPlan, as_pair
from antialias_plugins.metrics.views import centre_part, shifted_views


@dataclass(frozen=True)
class ViewAgreement:
    """What the views of one image are classified as.

    Attributes:
        agree: Whether all views have the same top class.
        any_correct: Whether at least one view has the label's class on top; ``None`` without a label.
        all_correct: Whether all views have; ``None`` without a label.
        probability_change: Mean absolute change of the top class's probability, see `mean_absolute_change`.
    """

    agree: bool
    any_correct: bool | None
    all_correct: bool | None
    probability_change: float


def classification_agreement(logits: Tensor, label: int | None = None) -> ViewAgreement:
    """Compare the classifications of the views of one image.

    Args:
        logits: Logits of all views, ``(V, N)``, at least two.
        label: The image's class.

    Raises:
        ValueError: If ``logits`` has another shape or is not finite, or ``label`` is no integer or none of its classes.

    Example:
        >>> classification_agreement(torch.tensor([[0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]), label=2).any_correct
        True
    """
    logits = as_logits('logits', logits).cpu()  # few numbers, and not every device has float64
    top = logits.argmax(1)
    agree, change = bool((top == top[0]).all()), float(mean_absolute_change(logits.double().softmax(1)))
    if label is None:
        return ViewAgreement(agree, None, None, change)
    correct = top == as_class(label, logits.shape[1])
    return ViewAgreement(agree, bool(correct.any()), bool(correct.all()), change)


def mean_absolute_change(probabilities: Tensor, label: int | None = None) -> Tensor:
    """Return the mean absolute change (MAC) of one class's probability from view to view.

    The change ``|p_v - p_w|`` is averaged over all pairs of views. With two views it is the measure of Azulay & Weiss,
    "Why do deep convolutional networks generalize so poorly to small image transformations?", JMLR 2019.

    Args:
        probabilities: Class probabilities of all views, ``(V, N)``, at least two.
        label: The class; by default the top class of the first view.

    Raises:
        ValueError: If ``probabilities`` has another shape or is not finite, or ``label`` is none of the classes.

    Example:
        >>> mean_absolute_change(torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]])).item()  # 1/4, 1/2 and 1/4
        0.3333
    """
    probabilities = as_logits('probabilities', probabilities)
    if not probabilities.is_floating_point():
        raise ValueError(f'probabilities must be floating-point numbers, got {probabilities.dtype}')
    probabilities = probabilities.to(torch.promote_types(probabilities.dtype, torch.float32))
    watched = probabilities[0].argmax() if label is None else as_class(label, probabilities.shape[1])
    return torch.pdist(probabilities[:, watched, None], p=1).mean()


@dataclass(frozen=True)
class ClassificationConsistency(MeanResult):
    """Consistency of a classifier: the mean is the share of images on which all views agree.

    An interval is ``None`` for a single image and for the legacy protocol, whose images are not independent.

    Attributes:
        probability_change: Mean absolute change of the top class's probability.
        probability_change_interval: Limits of its interval.
        correct_mean: Correct-consistency; ``None`` without labels, or if no view of any image is classified correctly.
        correct_interval: Limits of its interval.
        correct_images: Number of images of which a view is classified correctly.
    """

    probability_change: float
    probability_change_interval: Interval | None
    correct_mean: float | None = None
    correct_interval: Interval | None = None
    correct_images: int = 0

    parts: ClassVar[dict[str, tuple[str, ...]]] = {
        'consistency': ('mean', 'interval', 'images'),
        'correct_consistency': ('correct_mean', 'correct_interval', 'correct_images'),
        'probability_change': ('probability_change', 'probability_change_interval', 'images'),
    }
    titles: ClassVar[dict[str, str]] = {
        'consistency': 'consistency',
        'correct_consistency': 'correct-consistency',
        'probability_change': 'change of top probability',
    }


@dataclass(eq=False)
class ShiftConsistency(PerImageMetric[tuple[ViewAgreement, ...], ClassificationConsistency]):
    """Accumulates `shift_consistency` image by image, over the views of ``plan``."""

    plan: ViewPlan

    def __post_init__(self) -> None:
        check_type('plan', self.plan, ViewPlan)

    def add(
        self, index: int, logits: Tensor, label: int | None = None, *, group: Hashable = None
    ) -> tuple[ViewAgreement, ...]:
        """Keep and return how the views agree, once per repeat, by the logits of all that ``plan.cut`` returned."""
        return self._keep(as_integer('index', index, 0), self._compare('logits', logits, label), group)

    def _look(self, index: int, image: Tensor, predict: Predict, label: int | None) -> Look:
        return self._compare('logits of predict', predict(self.plan.cut(index, image)), label)

    def _compare(self, name: str, logits: Tensor, label: int | None) -> Look:
        logits = as_logits(name, logits, self.plan.repeats * self.plan.views)
        agreements = tuple(classification_agreement(part, label) for part in logits.split(self.plan.views))
        return Look(agreements, agreements, frozenset(logits.argmax(1).tolist()))

    def _keep(self, index: int, look: Look, group: Hashable) -> tuple[ViewAgreement, ...]:
        if group is not None and self.plan.protocol == 'legacy':
            raise ValueError(f'group must be None for the legacy protocol, which has no interval, got {group!r:.200}')
        return super()._keep(index, look, group)

    def compute(self) -> ClassificationConsistency:
        """Return the consistency over all images so far."""
        records = self._measured()
        repeats = [dict(zip(records, repeat, strict=True)) for repeat in zip(*records.values(), strict=True)]
        share = self._over_repeats([{i: it.agree for i, it in repeat.items()} for repeat in repeats])
        change = self._over_repeats([{i: it.probability_change for i, it in repeat.items()} for repeat in repeats])
        correct = self._over_repeats(
            [{i: it.all_correct for i, it in repeat.items() if it.any_correct} for repeat in repeats]
        )
        correct_images = sum(any(it.any_correct for it in record) for record in records.values())
        return ClassificationConsistency(*share, len(records), *change, *correct, correct_images, note=self._note())

    def _over_repeats(self, repeats: Sequence[Mapping[int, float]]) -> tuple[float | None, Interval | None]:
        """Mean over the repeats that have a value, and the interval where the images are independent."""
        measured = [self._mean(shares) for shares in repeats if shares]
        if not measured:
            return None, None
        return fmean(share.mean for share in measured), measured[0].interval if self.plan.repeats == 1 else None


def shift_consistency(
    predict: Predict,
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
    groups: Iterable[Hashable] | None = None,
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
        predict: Maps the views of one image, in one batch, to their logits, ``(V, C, h, w)`` → ``(V, N)``, on the
            device where the images are. Its networks are measured in evaluation mode, see `PerImageMetric`.
        images: The images, ``(C, H, W)`` each; their sizes may differ. Crops are taken from the centre of size
            ``crop_size + max_shift``.
        labels: The class of each image; a sequence or a tensor of integers.
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
        groups: What each image belongs to, such as its video or scene, for the interval; see `mean_interval`.

    Raises:
        ValueError: If there are no images, an image is too small, an argument is outside its range, the labels or the
            groups do not fit the images, or ``predict`` does not return one finite row per view.

    Example:
        >>> images = torch.rand(3, 1, 16, 16)
        >>> result = shift_consistency(lambda x: x.flatten(1)[:, :2], images, max_shift=8, crop_size=8, circular=True)
        >>> result.images
        3
        >>> print(shift_consistency(lambda x: torch.eye(5)[[0] * len(x)], images, max_shift=8, crop_size=8))
        consistency 100.00 [29.24, 100.00] % (n = 3); note: all predictions are of one class, 0
    """
    plan = ViewPlan(max_shift, crop_size, views, circular, seed, protocol, batch_size, subpixel)
    return ShiftConsistency(plan).measure(predict, images, labels, groups)


@dataclass(frozen=True)
class DiagonalSweep:
    """What one image is classified as at each diagonal shift.

    Attributes:
        probability: Probability of the watched class at each shift, ``(D,)``.
        best_other: Largest probability of any other class, ``(D,)``.
        prediction: Top class, ``(D,)``.
    """

    probability: Tensor
    best_other: Tensor
    prediction: Tensor


@torch.no_grad()
def diagonal_sweep(
    predict: Predict,
    image: Tensor,
    label: int | None = None,
    *,
    max_shift: int = 32,
    crop_size: int | tuple[int, int] = 224,
    circular: bool = False,
) -> DiagonalSweep:
    """Classify one image at the shifts ``(d, d)`` for ``d = 0, …, max_shift``.

    Crop number ``d`` begins ``d`` pixels below and to the right of the first one: the 33 crops of Zhang, "Making
    Convolutional Networks Shift-Invariant Again", ICML 2019. A shift-invariant network draws a flat line.

    Args:
        predict: Maps all views, in one batch, to their logits, ``(D, C, h, w)`` → ``(D, N)``, with
            ``D = max_shift + 1`` and at least two classes; in evaluation mode, see `PerImageMetric`.
        image: The image, ``(C, H, W)``. Crops are taken from its centre of size ``crop_size + max_shift``.
        label: The class to watch, by default the top class at shift 0.
        max_shift: The last shift in pixels, from 1 to the shorter side of ``crop_size``.
        crop_size: As for `shift_consistency`.
        circular: As for `shift_consistency`.

    Raises:
        ValueError: If the image is too small, ``max_shift`` is outside its range, ``label`` is none of the classes, or
            ``predict`` does not return one finite row per view.

    Example:
        >>> image = torch.arange(16.0).view(1, 4, 4)
        >>> sweep = diagonal_sweep(lambda x: x[:, 0, 0, :2], image, max_shift=2, crop_size=2)
        >>> sweep.prediction.tolist()  # the right one of two neighbours is always larger
        [1, 1, 1]
    """
    size = as_pair(crop_size)
    check_least(max_shift=(max_shift, 1))
    if max_shift > min(size):
        raise ValueError(f'max_shift must be between 1 and the shorter side of crop_size {size}, got {max_shift}')
    check_flag('circular', circular)
    frame = centre_part(as_tensor('image', image), size if circular else (size[0] + max_shift, size[1] + max_shift))
    steps = [(step, step) for step in range(max_shift + 1)]
    with in_evaluation(predict):
        logits = predict(shifted_views(frame, steps, max_shift, circular=circular))
    logits = as_logits('logits of predict', logits, len(steps), fewest_classes=2)
    logits = logits if logits.is_floating_point() else logits.float()
    label = None if label is None else as_class(label, logits.shape[1])
    probabilities = logits.softmax(1)
    watched = int(logits[0].argmax()) if label is None else label
    others = probabilities.clone()
    others[:, watched] = 0
    return DiagonalSweep(probabilities[:, watched], others.amax(1), logits.argmax(1))
