"""Class maps of views, brought back to the place that they show.

Letters: views ``V``, image ``C H W``, view of it ``h w``.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from antialias_plugins.metrics.offsets import Offset, Shift


def predict_class_maps(predict: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    """Predict the class maps of views.

    Args:
        predict: Maps views, ``(V, C, h, w)``, to class maps, ``(V, h, w)``.
        views: The views.

    Returns:
        The class maps.

    Raises:
        ValueError: If ``predict`` returns another shape.
    """
    maps = predict(views)
    expected = (len(views), *views.shape[-2:])
    if tuple(maps.shape) != expected:
        raise ValueError(f'predict must return class maps of shape {expected}, got {tuple(maps.shape)}')
    return maps


def place(maps: Tensor, offsets: Sequence[Shift], circular: bool) -> tuple[Tensor, list[Offset]]:
    """Return class maps with the offsets in the image at which they begin.

    Circular ones are rolled back by the nearest whole number of pixels and then all begin at (0, 0). What is left of a
    shift is at most half a pixel in either direction.
    """
    whole = [(round(down), round(right)) for down, right in offsets]
    if not circular:
        return maps, whole
    rolled = [view.roll(offset, dims=(0, 1)) for view, offset in zip(maps, whole, strict=True)]
    return torch.stack(rolled), [(0, 0)] * len(rolled)


def check_label_map(label: Tensor | None, image: Tensor, index: int) -> None:
    """Raise unless ``label``, if there is one, has the size of ``image``."""
    if label is not None and label.shape != image.shape[-2:]:
        raise ValueError(
            f"label must have the image's size {tuple(image.shape[-2:])}, got shape {tuple(label.shape)} "
            f'for image {index}'
        )
