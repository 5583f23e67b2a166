"""How two predictions for one image agree near the boundaries of objects, and elsewhere.

Letters: map ``h w``.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import max_pool2d

from antialias_plugins.metrics.agreement import check_label, check_pair


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


def boundary_band(classes: Tensor, width: int) -> Tensor:
    """Find the pixels that are at most ``width`` pixels away from one of another class.

    Distance is the larger one of the distances in rows and in columns. So ``width=1`` gives the two pixels on either
    side of a straight boundary, one each, and ``width=d`` a band of ``2 * d`` pixels. Of every class it is the band of
    Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021, whose usual width
    is 2 % of the image's diagonal, ``round(0.02 * math.hypot(h, w))``. Unlike theirs, the border of the map is no
    boundary: a crop ends there, not an object.

    Args:
        classes: A class map.
        width: Reach of the band on either side, in pixels, at least 1.

    Shape:
        - classes: ``(h, w)``
        - Returns: ``(h, w)``

    Returns:
        Whether each pixel lies in the band.

    Raises:
        ValueError: If ``classes`` is not a map or ``width`` is below 1.

    Example:
        >>> import torch
        >>> boundary_band(torch.tensor([[4, 4, 4, 7, 7, 7]]), width=2).int()
        tensor([[0, 1, 1, 1, 1, 0]], dtype=torch.int32)
    """
    if classes.ndim != 2:
        raise ValueError(f'classes must have shape (h, w), got {tuple(classes.shape)}')
    if width < 1:
        raise ValueError(f'width must be at least 1, got {width}')
    values = classes[None].float()
    touching = max_pool2d(values, 3, 1, 1) != -max_pool2d(-values, 3, 1, 1)
    # Row by row and then column by column: a square window of 2 % of the diagonal costs far more at once.
    window, reach = 2 * width - 1, width - 1
    rows = max_pool2d(touching.float(), (window, 1), 1, (reach, 0))
    return max_pool2d(rows, (1, window), 1, (0, reach))[0] > 0


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
        pred_a: One class map.
        pred_b: The other.
        width: Reach of the band on either side of a boundary, in pixels, at least 1; see `boundary_band`.
        label: Label map of the same place.
        ignore_index: Label of the pixels that do not count.

    Shape:
        - pred_a, pred_b, label: ``(h, w)``

    Returns:
        The numbers of agreeing and of all pixels, in the band and outside it.

    Raises:
        ValueError: If the shapes differ or ``width`` is below 1.

    Example:
        >>> import torch
        >>> pred_a = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])
        >>> pred_b = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1]])
        >>> boundary_agreement(pred_a, pred_b, width=1)  # the band has pixels 2 to 4, and they differ at 3
        BoundaryAgreement(boundary_agreeing=2, boundary_pixels=3, interior_agreeing=5, interior_pixels=5)
    """
    check_pair(pred_a, pred_b)
    same = pred_a == pred_b
    if label is None:
        band = boundary_band(pred_a, width) | boundary_band(pred_b, width)
        interior = ~band
    else:
        check_label(label, pred_a)
        label = label.to(same.device)
        near, labelled = boundary_band(label, width), label != ignore_index
        band, interior = near & labelled, ~near & labelled
    return BoundaryAgreement(*(int(part.sum()) for part in (same & band, band, same & interior, interior)))
