"""How two predictions for one image agree."""

from dataclasses import dataclass

from torch import Tensor

from antialias_plugins.metrics.offsets import Offset

Spans = list[tuple[int, int]]


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
        pred_a: Class map of the crop at ``offset_a``.
        pred_b: Class map of the crop at ``offset_b``.
        offset_a: Row and column of the image where the crop begins.
        offset_b: The same of the other crop.
        label: Label map of the image, from its pixel (0, 0) on.
        ignore_index: Label of the pixels that do not count as labelled.

    Shape:
        - pred_a, pred_b: ``(h, w)``
        - label: ``(H, W)``, covering the overlap

    Returns:
        The numbers of agreeing and of all pixels in the overlap.

    Raises:
        ValueError: If the shapes do not fit, an offset is negative or the crops do not overlap.

    Example:
        >>> import torch
        >>> image = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2]])
        >>> pred_a, pred_b = image[:2, :3], image[1:, 1:].clone()
        >>> pred_b[0, 0] = 5
        >>> segmentation_consistency(pred_a, pred_b, (0, 0), (1, 1)).share  # they share row 1, columns 1 and 2
        0.5
    """
    check_pair(pred_a, pred_b)
    spans = overlap(tuple(pred_a.shape), offset_a, offset_b)
    same = part_at(pred_a, spans, offset_a) == part_at(pred_b, spans, offset_b)
    if label is None:
        return PairAgreement(int(same.sum()), same.numel())
    needed = tuple(stop for _, stop in spans)
    if label.ndim != 2 or label.shape[0] < needed[0] or label.shape[1] < needed[1]:
        raise ValueError(f'label must have shape (H, W) of at least {needed}, got {tuple(label.shape)}')
    labelled = part_at(label, spans).to(same.device) != ignore_index
    return PairAgreement(int(same.sum()), same.numel(), int((same & labelled).sum()), int(labelled.sum()))


def overlap(size: tuple[int, ...], offset_a: Offset, offset_b: Offset) -> Spans:
    """Return start and stop of the rows, then of the columns, that two crops share, in the image's coordinates.

    Raises:
        ValueError: If an offset is negative or the crops do not overlap.
    """
    if min(*offset_a, *offset_b) < 0:
        raise ValueError(f'offset_a and offset_b must not be negative, got {offset_a} and {offset_b}')
    spans = [(max(a, b), min(a, b) + side) for a, b, side in zip(offset_a, offset_b, size, strict=True)]
    if any(start >= stop for start, stop in spans):
        raise ValueError(f'offset_a and offset_b must let crops of size {size} overlap, got {offset_a} and {offset_b}')
    return spans


def part_at(crop: Tensor, spans: Spans, offset: Offset = (0, 0)) -> Tensor:
    """Cut what ``spans`` hold, in the image's coordinates, from the crop at ``offset``, ``(…, h, w)``."""
    rows, columns = (slice(start - shift, stop - shift) for (start, stop), shift in zip(spans, offset, strict=True))
    return crop[..., rows, columns]


def check_pair(pred_a: Tensor, pred_b: Tensor) -> None:
    """Raise unless both are class maps ``(h, w)`` of the same shape."""
    if pred_a.ndim != 2 or pred_a.shape != pred_b.shape:
        raise ValueError(
            'pred_a and pred_b must be class maps of the same shape (h, w), '
            f'got {tuple(pred_a.shape)} and {tuple(pred_b.shape)}'
        )


def check_label(label: Tensor, pred: Tensor) -> None:
    """Raise unless ``label`` has the shape of ``pred``."""
    if label.shape != pred.shape:
        raise ValueError(f'label must have the shape {tuple(pred.shape)} of the class maps, got {tuple(label.shape)}')
