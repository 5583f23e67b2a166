"""One image, shifted step by step.

Letters: image ``C H W``, view of it ``h w``, shifts ``D``, classes ``N``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from antialias_plugins.metrics.views import centre_part, shifted_views


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
    predict: Callable[[Tensor], Tensor],
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
        predict: Maps all views, in one batch, to their logits; in evaluation mode.
        image: The image. Crops are taken from its centre of size ``crop_size + max_shift``.
        label: The class to watch, by default the top class at shift 0.
        max_shift: The last shift in pixels, from 1 to the shorter side of ``crop_size``.
        crop_size: Size of a view in pixels: its side, or its height and width.
        circular: Shift the central crop of size ``crop_size`` circularly instead.

    Shape:
        - predict: ``(D, C, h, w)`` → ``(D, N)``, with ``D = max_shift + 1`` and at least two classes
        - image: ``(C, H, W)``

    Returns:
        Three numbers per shift.

    Raises:
        ValueError: If the image is too small, ``max_shift`` is outside its range, ``label`` is none of the classes, or
            ``predict`` does not return one finite row per view.

    Example:
        >>> image = torch.arange(16.0).view(1, 4, 4)
        >>> sweep = diagonal_sweep(lambda x: x[:, 0, 0, :2], image, max_shift=2, crop_size=2)
        >>> sweep.prediction.tolist()  # the right one of two neighbours is always larger
        [1, 1, 1]
    """
    size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
    if not 1 <= max_shift <= min(size):
        raise ValueError(f'max_shift must be between 1 and the shorter side of crop_size {size}, got {max_shift}')
    frame = centre_part(image, size if circular else (size[0] + max_shift, size[1] + max_shift))
    steps = [(step, step) for step in range(max_shift + 1)]
    logits = predict(shifted_views(frame, steps, max_shift, circular=circular))
    if logits.ndim != 2 or len(logits) != len(steps) or logits.shape[1] < 2:
        raise ValueError(f'predict must return logits of shape ({len(steps)}, N), N > 1, got {tuple(logits.shape)}')
    if not logits.isfinite().all():
        raise ValueError('predict must return finite logits')
    if label is not None and not 0 <= label < logits.shape[1]:
        raise ValueError(f'label must be one of {logits.shape[1]} classes, got {label}')
    probabilities = logits.softmax(1)
    watched = int(logits[0].argmax()) if label is None else label
    others = probabilities.clone()
    others[:, watched] = 0
    return DiagonalSweep(probabilities[:, watched], others.amax(1), logits.argmax(1))
