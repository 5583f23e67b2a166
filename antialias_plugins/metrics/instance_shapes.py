"""Geometry of the two kinds of shapes that instances have: boxes, and masks, which are boolean.

Letters: shapes ``N`` or ``M``, map ``h w``. Boxes are ``(N, 4)``: left, top, right and bottom edge, in pixels.
"""

import torch
from torch import Tensor

from antialias_plugins.metrics.agreement import Spans, part_at
from antialias_plugins.metrics.offsets import Offset


def clip(shapes: Tensor, spans: Spans, offset: Offset) -> Tensor:
    """Cut what lies in ``spans``, in the image's coordinates, from shapes of the crop at ``offset``.

    Args:
        shapes: Boxes or masks in the coordinates of the crop.
        spans: Start and stop of the rows, then of the columns, in the image.
        offset: Row and column of the image where the crop begins.

    Shape:
        - shapes: ``(N, 4)`` or ``(N, h, w)``
        - Returns: ``(N, 4)`` in the coordinates of the image, float64, on the CPU; or ``(N, rows, columns)``
    """
    if shapes.dtype == torch.bool:
        return part_at(shapes, spans, offset)
    (top, bottom), (left, right) = spans
    down, aside = offset
    placed = shapes.cpu().double() + torch.tensor([aside, down, aside, down])
    return placed.clamp(torch.tensor([left, top, left, top]), torch.tensor([right, bottom, right, bottom]))


def areas(shapes: Tensor) -> Tensor:
    """Return the area of every shape in pixels, 0 of an empty one.

    Shape:
        - shapes: ``(N, 4)`` or ``(N, h, w)``
        - Returns: ``(N,)``, float64, on the CPU
    """
    if shapes.dtype == torch.bool:
        return shapes.sum((1, 2)).cpu().double()
    return _box_areas(shapes[:, :2], shapes[:, 2:])


def ious(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of all pairs of shapes that are not empty.

    Shape:
        - first: ``(N, 4)`` or ``(N, h, w)``
        - second: ``(M, 4)`` or ``(M, h, w)``, of the same kind
        - Returns: ``(N, M)``, float64, on the CPU

    Example:
        >>> first, second = torch.tensor([[0.0, 0, 4, 1]]), torch.tensor([[0.0, 0, 5, 1], [4, 0, 6, 1]])
        >>> ious(first, second)
        tensor([[0.8000, 0.0000]], dtype=torch.float64)
    """
    common = _intersections(first, second)
    return common / (areas(first)[:, None] + areas(second) - common)


def _intersections(first: Tensor, second: Tensor) -> Tensor:
    if first.dtype == torch.bool:  # mask by mask, since all pairs at once would be N·M maps
        return torch.stack([(mask & second).sum((1, 2)) for mask in first]).cpu().double()
    return _box_areas(
        torch.maximum(first[:, None, :2], second[:, :2]), torch.minimum(first[:, None, 2:], second[:, 2:])
    )


def _box_areas(corners: Tensor, opposite: Tensor) -> Tensor:
    return (opposite - corners).clamp(min=0).cpu().double().prod(-1)
