"""Consistency of semantic segmentation under shifts (mASSC).

Letters: image ``C H W``, view of it ``h w``.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from antialias_plugins.metrics.agreement import PairAgreement, overlap, part_at, segmentation_consistency
from antialias_plugins.metrics.boundary import boundary_agreement
from antialias_plugins.metrics.class_agreement import class_agreement
from antialias_plugins.metrics.class_maps import check_label_map, place, predict_class_maps
from antialias_plugins.metrics.interval import MeanShare
from antialias_plugins.metrics.labels import check_some_labelled, with_labels
from antialias_plugins.metrics.offsets import draw_subpixel_offsets
from antialias_plugins.metrics.per_image import PerImageMetric
from antialias_plugins.metrics.segmentation_result import SegmentationConsistency
from antialias_plugins.metrics.views import shifted_views

Figure = str | tuple[str, int]


class MeanSegmentationConsistency(PerImageMetric[dict[Figure, float], SegmentationConsistency]):
    """Accumulates `mean_segmentation_consistency` image by image.

    It keeps two numbers per image, with ``boundary`` up to four more and with ``num_classes`` up to two for every class
    that occurs in it, by the image's index. So an image that is seen twice counts once, on one process or, after
    `merge`, on several. All figures come from the same two predictions.

    Args:
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``; at least 2, so that they can differ.
        seed: Seed of the offsets, at least 0.
        circular: Shift circularly and compare the whole map, instead of comparing two crops on their overlap.
        ignore_index: Label of the pixels that are left out of the labelled shares.
        num_classes: Number of classes; measure each of them too.
        boundary: Reach of the band around boundaries, in pixels, at least 1; measure it and its complement too.
        subpixel: The second offset is a multiple of ``1 / subpixel`` pixels; above 1 for circular shifts only.

    Raises:
        ValueError: If an argument is outside its range.
    """

    def __init__(
        self,
        max_shift: int = 32,
        seed: int = 0,
        circular: bool = False,
        ignore_index: int = 255,
        *,
        num_classes: int | None = None,
        boundary: int | None = None,
        subpixel: int = 1,
    ) -> None:
        super().__init__()
        if max_shift < 2:
            raise ValueError(f'max_shift must be at least 2, so that two offsets can differ, got {max_shift}')
        if seed < 0:
            raise ValueError(f'seed must be at least 0, got {seed}')
        if num_classes is not None and num_classes < 1:
            raise ValueError(f'num_classes must be at least 1, got {num_classes}')
        if boundary is not None and boundary < 1:
            raise ValueError(f'boundary must be at least 1, got {boundary}')
        if subpixel < 1 or (subpixel > 1 and not circular):
            raise ValueError(f'subpixel must be 1, or above 1 and circular True, got {subpixel} and {circular}')
        self.max_shift = max_shift
        self.seed = seed
        self.circular = circular
        self.ignore_index = ignore_index
        self.num_classes = num_classes
        self.boundary = boundary
        self.subpixel = subpixel

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
            The counts behind the shares of the whole overlap.

        Raises:
            ValueError: If the image is too small for ``max_shift``, a shape is wrong, or a map holds something that is
                not one of ``num_classes`` classes.
        """
        check_label_map(label, image, index)
        offsets = draw_subpixel_offsets(self.seed, index, self.max_shift, subpixel=self.subpixel)
        views = shifted_views(image, offsets, self.max_shift, circular=self.circular)
        maps, corners = place(predict_class_maps(predict, views), offsets, self.circular)
        agreement = segmentation_consistency(*maps, *corners, label=label, ignore_index=self.ignore_index)
        spans = overlap(tuple(maps.shape[1:]), *corners)
        pair = [part_at(view, spans, corner) for view, corner in zip(maps, corners, strict=True)]
        shares = {'all': agreement.share} | self._regions(*pair)
        if agreement.labelled_share is not None:
            shares |= {'labelled': agreement.labelled_share} | self._regions(*pair, part_at(label, spans))
        self._records[index] = shares
        return agreement

    def _regions(self, pred_a: Tensor, pred_b: Tensor, label: Tensor | None = None) -> dict[Figure, float]:
        """Shares of the classes, and of the boundaries and the rest, as far as they occur."""
        prefix = '' if label is None else 'labelled_'
        shares = {}
        if self.num_classes is not None:
            agreement = class_agreement(pred_a, pred_b, self.num_classes, label, self.ignore_index)
            shares = {(f'{prefix}classes', index): share for index, share in agreement.shares.items()}
        if self.boundary is not None:
            band = boundary_agreement(pred_a, pred_b, self.boundary, label, self.ignore_index)
            parts = {f'{prefix}boundary': band.boundary_share, f'{prefix}interior': band.interior_share}
            shares |= {name: share for name, share in parts.items() if share is not None}
        return shares

    def compute(self) -> SegmentationConsistency:
        """Return the means over all images so far.

        Raises:
            ValueError: If there are none.
        """
        records = self._measured()

        def mean(figure: Figure) -> MeanShare:
            return MeanShare.of([shares[figure] for shares in records if figure in shares])

        overall, labelled = mean('all'), mean('labelled')
        regions = {}
        for prefix in ('', 'labelled_') if labelled.images else ('',):
            if self.num_classes is not None:
                name = f'{prefix}classes'
                regions[name] = tuple(mean((name, index)) for index in range(self.num_classes))
            if self.boundary is not None:
                regions |= {name: mean(name) for name in (f'{prefix}boundary', f'{prefix}interior')}
        return SegmentationConsistency(
            overall.mean,
            overall.interval,
            overall.images,
            labelled.mean,
            labelled.interval,
            labelled.images,
            **regions,
        )


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
    num_classes: int | None = None,
    boundary: int | None = None,
    subpixel: int = 1,
) -> SegmentationConsistency:
    """Measure how little a segmentation depends on where the image is cropped (mASSC).

    Of every image two crops of size ``(H - max_shift, W - max_shift)`` are taken at different random offsets. The
    share of pixels in their overlap that get the same class in both is averaged over the images: the mean average
    semantic segmentation consistency of Zou et al., "Delving Deeper into Anti-aliasing in ConvNets", BMVC 2020.

    The same two predictions also give the consistency of every class (`class_agreement`) and that near boundaries and
    away from them (`boundary_agreement`).

    With ``subpixel`` above 1 the second view is shifted by fractions of a pixel, as in Michaeli et al., "Alias-Free
    Convnets: Fractional Shift Invariance via Polynomial Activations", CVPR 2023, and its class map is rolled back by
    the nearest whole number of pixels. Up to half a pixel remains, so a pixel that a boundary crosses may differ even
    for a network that is perfectly shift-equivariant: judge it by ``interior``, or against another network.

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
            overlap is left out of the labelled means only.
        num_classes: Number of classes; measure each of them too.
        boundary: Reach of the band around boundaries, in pixels, at least 1; measure it and its complement too.
        subpixel: The second offset is a multiple of ``1 / subpixel`` pixels, interpolated by `fourier_shift`; above 1
            for circular shifts of floating-point images only.

    Shape:
        - predict: ``(2, C, h, w)`` → ``(2, h, w)``
        - images: ``(C, H, W)`` each
        - labels: ``(H, W)`` each

    Returns:
        The mean shares, their 95 % intervals over images (see `mean_interval`), and the numbers of images.

    Raises:
        ValueError: If there are no images, an image is too small for ``max_shift``, the labels do not fit the images
            or are ignored everywhere, a map holds something that is not one of ``num_classes`` classes, or ``predict``
            returns another shape.

    Example:
        >>> import torch
        >>> images = torch.rand(3, 1, 32, 48)
        >>> result = mean_segmentation_consistency(lambda x: x[:, 0] > 0.5, images, max_shift=8)  # sees single pixels
        >>> print(result)
        mASSC 100.00 ± 0.00 % (n = 3)
    """
    consistency = MeanSegmentationConsistency(
        max_shift, seed, circular, ignore_index, num_classes=num_classes, boundary=boundary, subpixel=subpixel
    )
    for index, (image, label) in enumerate(with_labels(images, labels)):
        consistency.update(index, image, predict, label)
    result = consistency.compute()
    check_some_labelled(labels is not None, result.labelled_images, ignore_index)
    return result
