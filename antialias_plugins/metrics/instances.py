"""What a detector finds.

Letters: instances ``N``, view ``h w``.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal['mask', 'box']


@dataclass(frozen=True, eq=False)
class Instances:
    """What a detector finds in one view of an image: boxes, masks or both.

    Args:
        scores: How sure it is of each instance.
        labels: Class of each.
        boxes: Left, top, right and bottom edge of each, in pixels of the view: pixel ``i`` reaches from ``i`` to
            ``i + 1``.
        masks: The pixels of each.

    Shape:
        - scores, labels: ``(N,)``
        - boxes: ``(N, 4)``
        - masks: ``(N, h, w)``, boolean

    Raises:
        ValueError: If there are neither boxes nor masks, a shape or the masks' type is wrong, or a score or a box is
            not finite.
    """

    scores: Tensor
    labels: Tensor
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def __post_init__(self) -> None:
        if self.boxes is None and self.masks is None:
            raise ValueError('boxes or masks must be given, got neither')
        count, masks = len(self.scores), self.masks
        for name, shape in {'scores': (count,), 'labels': (count,), 'boxes': (count, 4)}.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise ValueError(f'{name} must have shape {shape} for {count} scores, got {tuple(value.shape)}')
            if value is not None and not value.isfinite().all():
                raise ValueError(f'{name} must be finite, got {value[~value.isfinite()].tolist()}')
        if masks is not None and (masks.ndim != 3 or len(masks) != count or masks.dtype != torch.bool):
            raise ValueError(
                f'masks must be boolean and of shape ({count}, h, w), got {masks.dtype} of shape {tuple(masks.shape)}'
            )

    @property
    def shapes(self) -> dict[Kind, Tensor]:
        """Masks and boxes, as far as there are any, by their kind."""
        return {kind: shapes for kind, shapes in (('mask', self.masks), ('box', self.boxes)) if shapes is not None}
