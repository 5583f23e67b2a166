"""Consistency of semantic segmentation under shifts (mASSC).

Letters: image ``C H W``, view of it ``h w``, views ``V``.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.metrics.agreement import (
    boundary_agreement,
    class_agreement,
    segmentation_consistency,
)
from antialias_plugins.metrics.base import Look, MeanResult, PerImageMetric, Predict
from antialias_plugins.metrics.inputs import as_class_maps, as_integer, as_tensor, check_least
from antialias_plugins.metrics.intervals import Interval, MeanShare
from antialias_plugins.metrics.offsets import check_random_shift, draw_subpixel_offsets
from antialias_plugins.metrics.views import Offset, Shift, overlap, part_at, shifted_views
from antialias_plugins.utils import markdown_table

_Region = str | tuple[str, int]
_Pixels = TypeVar('_Pixels', bound='PixelConsistency')


@dataclass(frozen=True)
class PixelConsistency(MeanResult):
    """Share of agreeing pixels; the mean is that over all pixels of each overlap.

    Attributes:
        labelled_mean: Mean share over labelled pixels; ``None`` if no image has any.
        labelled_interval: Limits of its interval; ``None`` for fewer than two images with labelled pixels.
        labelled_images: Number of images with labelled pixels.
    """

    labelled_mean: float | None = None
    labelled_interval: Interval | None = None
    labelled_images: int = 0

    def __str__(self) -> str:
        first, labelled, *_ = self.parts
        text = f'{self.titles[first]} {self.figures[first]}'
        if self.labelled_mean is not None:
            text += f', labelled pixels {self.figures[labelled]}'
        return self.with_note(text)


@dataclass(frozen=True)
class SegmentationConsistency(PixelConsistency):
    """Mean consistency over images; see `MeanResult` and `PixelConsistency` for the first six figures.

    What begins with ``labelled`` is measured on labelled pixels, with the classes and boundaries of the label maps; the
    rest on all pixels, with those of the two predictions. See `class_agreement` and `boundary_agreement`.

    Attributes:
        classes: Share of each class, over the images in which it is predicted; empty unless measured.
        labelled_classes: Share of each class, over the images in which it is labelled; empty unless measured, or if
            no image has labelled pixels.
        boundary: Share near boundaries, over the images that have any; ``None`` unless measured.
        interior: Share elsewhere; ``None`` unless measured.
        labelled_boundary: As ``boundary``; ``None`` unless measured, or if no image has labelled pixels.
        labelled_interior: As ``interior``; ``None`` unless measured, or if no image has labelled pixels.
    """

    classes: tuple[MeanShare, ...] = ()
    labelled_classes: tuple[MeanShare, ...] = ()
    boundary: MeanShare | None = None
    interior: MeanShare | None = None
    labelled_boundary: MeanShare | None = None
    labelled_interior: MeanShare | None = None

    parts: ClassVar[dict[str, tuple[str, ...]]] = {
        'mASSC': ('mean', 'interval', 'images'),
        'mASSC_labelled': ('labelled_mean', 'labelled_interval', 'labelled_images'),
        **{f'mASSC_{part}': (part,) for part in ('boundary', 'interior', 'labelled_boundary', 'labelled_interior')},
    }
    titles: ClassVar[dict[str, str]] = {
        'mASSC': 'mASSC',
        'mASSC_labelled': 'mASSC, labelled pixels',
        'mASSC_boundary': 'mASSC, near boundaries',
        'mASSC_interior': 'mASSC, elsewhere',
    }

    def table(self, names: Sequence[str] = ()) -> str | None:
        """Write the consistency of every class, with intervals in percent, as a table in Markdown."""
        if not self.classes:
            return None
        columns = {'mASSC (%)': self.classes, 'of labelled pixels (%)': self.labelled_classes}
        columns = {title: shares for title, shares in columns.items() if any(share.images for share in shares)}
        cells = [
            ['–' if it.mean is None else str(it).replace(' %', '') for it in column] for column in columns.values()
        ]
        return markdown_table(['class', *columns], [list(row) for row in zip(names, *cells, strict=True)])


@dataclass(eq=False)
class MeanSegmentationConsistency(PerImageMetric[dict[_Region, float], SegmentationConsistency]):
    """Accumulates `mean_segmentation_consistency` image by image.

    It keeps two numbers per image, with ``boundary`` up to four more and with ``num_classes`` up to two for every class
    that occurs in it. All figures come from the same two predictions.

    Args: The options of `mean_segmentation_consistency`, with its defaults and ranges.
    """

    max_shift: int = 32
    seed: int = 0
    circular: bool = False
    ignore_index: int = 255
    _: KW_ONLY
    num_classes: int | None = None
    boundary: int | None = None
    subpixel: int = 1

    def __post_init__(self) -> None:
        check_random_shift(self.max_shift, self.seed)
        check_flag('circular', self.circular)
        as_integer('ignore_index', self.ignore_index)
        counts = {'num_classes': self.num_classes, 'boundary': self.boundary}
        check_least(subpixel=(self.subpixel, 1), **{name: (it, 1) for name, it in counts.items() if it is not None})
        if self.subpixel > 1 and not self.circular:
            raise ValueError(
                f'subpixel must be 1, or above 1 and circular True, got {self.subpixel} and {self.circular}'
            )

    def _look(self, index: int, image: Tensor, predict: Predict, label: Tensor | None) -> Look:
        """Predict two views of one image and keep their shares; return the counts behind those of the overlap."""
        label = as_label_map(label, image, index)
        offsets = draw_subpixel_offsets(self.seed, index, self.max_shift, subpixel=self.subpixel)
        views = shifted_views(image, offsets, self.max_shift, circular=self.circular)
        maps, corners = place_class_maps(predict, views, offsets, self.circular)
        agreement = segmentation_consistency(*maps, *corners, label=label, ignore_index=self.ignore_index)
        spans = overlap(tuple(maps.shape[1:]), *corners)
        pair = [part_at(view, spans, corner) for view, corner in zip(maps, corners, strict=True)]
        shares = {'all': agreement.share} | self._regions(*pair)
        if agreement.labelled_share is not None:
            shares |= {'labelled': agreement.labelled_share} | self._regions(*pair, part_at(label, spans))
        return Look(agreement, shares, classes_in(maps))

    def _regions(self, pred_a: Tensor, pred_b: Tensor, label: Tensor | None = None) -> dict[_Region, float]:
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
        """Return the means over all images so far."""
        records = self._measured()

        def mean(region: _Region) -> MeanShare:
            return self._mean({index: shares[region] for index, shares in records.items() if region in shares})

        overall, labelled = mean('all'), mean('labelled')
        regions = {}
        for prefix in ('', 'labelled_') if labelled.images else ('',):
            if self.num_classes is not None:
                name = f'{prefix}classes'
                regions[name] = tuple(mean((name, index)) for index in range(self.num_classes))
            if self.boundary is not None:
                regions |= {name: mean(name) for name in (f'{prefix}boundary', f'{prefix}interior')}
        return SegmentationConsistency(*as_parts(overall), *as_parts(labelled), **regions, note=self._note())


def mean_segmentation_consistency(
    predict: Predict,
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
    groups: Iterable[Hashable] | None = None,
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
        predict: Maps the two views of one image, in one batch, to their class maps, ``(2, C, h, w)`` → ``(2, h, w)``,
            integers, on the device where the images are. For a network that returns logits: ``lambda x:
            network(x).argmax(1)``. Its networks are measured in evaluation mode, see `PerImageMetric`.
        images: The images, ``(C, H, W)`` each; their sizes may differ.
        labels: One label map per image, ``(H, W)`` each, integers. With them the share over labelled pixels is measured
            too.
        max_shift: Offsets are drawn from ``{0, …, max_shift - 1}²``, see `draw_offsets`; from 2 to half the shorter
            side of the smallest image.
        seed: Seed of the offsets, at least 0. Image number ``i`` of ``images`` always gets the same ones.
        circular: Shift circularly and compare the whole map, rolled back; ``max_shift`` may then be as large as the
            shorter side.
        ignore_index: Label of the pixels that do not count as labelled. An image without any labelled pixel in the
            overlap is left out of the labelled means only.
        num_classes: Number of classes; measure each of them too.
        boundary: Reach of the band around boundaries, in pixels, at least 1; measure it and its complement too.
        subpixel: The second offset is a multiple of ``1 / subpixel`` pixels, interpolated by `fourier_shift`; above 1
            for circular shifts of floating-point images only.
        groups: What each image belongs to, such as its video or scene, for the intervals; see `mean_interval`.

    Raises:
        ValueError: If there are no images, an image is too small for ``max_shift``, the labels or the groups do not fit
            the images or all labels are ignored, a map holds something that is not one of ``num_classes`` classes, or
            ``predict`` returns another shape or anything but integers.

    Example:
        >>> images = torch.rand(3, 1, 32, 48)
        >>> result = mean_segmentation_consistency(lambda x: x[:, 0] > 0.5, images, max_shift=8)  # sees single pixels
        >>> print(result)
        mASSC 100.00 [29.24, 100.00] % (n = 3)
    """
    consistency = MeanSegmentationConsistency(
        max_shift, seed, circular, ignore_index, num_classes=num_classes, boundary=boundary, subpixel=subpixel
    )
    return check_some_labelled(consistency.measure(predict, images, labels, groups), labels, ignore_index)


def place_class_maps(
    predict: Predict, views: Tensor, offsets: Sequence[Shift], circular: bool
) -> tuple[Tensor, list[Offset]]:
    """Predict the class maps of views; return them, ``(V, h, w)``, with the offsets in the image at which they begin.

    Circular ones are rolled back by the nearest whole number of pixels and then all begin at (0, 0). What is left of a
    shift is at most half a pixel in either direction.
    """
    maps = as_tensor('class maps of predict', predict(views))
    expected = (len(views), *views.shape[-2:])
    if tuple(maps.shape) != expected:
        raise ValueError(f'predict must return class maps of shape {expected}, got {tuple(maps.shape)}')
    maps = as_class_maps('class maps of predict', maps, '(V, h, w)')
    whole = [(round(down), round(right)) for down, right in offsets]
    if not circular:
        return maps, whole
    rolled = [view.roll(offset, dims=(0, 1)) for view, offset in zip(maps, whole, strict=True)]
    return torch.stack(rolled), [(0, 0)] * len(rolled)


def as_label_map(label: Tensor | None, image: Tensor, index: int) -> Tensor | None:
    """Return the label map of an image, if there is one, as integers; raise unless it has the image's size."""
    if label is None:
        return None
    label = as_class_maps('label', label, '(H, W)')
    if label.shape != image.shape[-2:]:
        raise ValueError(
            f"label must have the image's size {tuple(image.shape[-2:])}, got shape {tuple(label.shape)} "
            f'for image {index}'
        )
    return label


def classes_in(maps: Tensor) -> frozenset[int]:
    """Return the least and the greatest class in maps: one if they are constant."""
    return frozenset({int(maps.min()), int(maps.max())})


def as_parts(share: MeanShare) -> tuple[float | None, Interval | None, int]:
    """Return the fields of a share, as a result keeps them."""
    return share.mean, share.interval, share.images


def check_some_labelled(result: _Pixels, labels: Iterable | None, ignore_index: int) -> _Pixels:
    """Return the result; raise if there are labels, but all pixels of all images are ignored."""
    if labels is not None and not result.labelled_images:
        raise ValueError(
            f'labels must have a pixel other than ignore_index {ignore_index} in an overlap, got none in any image: '
            'leave labels out to measure all pixels only'
        )
    return result
