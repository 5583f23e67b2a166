"""Predictions of one network along the path of a moving window, compared with the first of them.

Letters: shifts ``D``, classes ``N``, view ``h w``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from antialias_plugins.functional.arguments import check_choice
from antialias_plugins.metrics import segmentation_consistency
from antialias_plugins.metrics.inputs import as_class, as_integer
from antialias_plugins.metrics.offsets import Offset

DIRECTIONS: Mapping[str, Offset] = MappingProxyType({'diagonal': (1, 1), 'horizontal': (0, 1), 'vertical': (1, 0)})
"""Rows and columns of one step, by name."""


def shift_path(direction: str, max_shift: int) -> tuple[Offset, ...]:
    """Return the offsets of a window that moves pixel by pixel.

    Args:
        direction: One of `DIRECTIONS`.
        max_shift: Number of steps, at least 1.

    Returns:
        ``max_shift + 1`` pairs ``(down, right)``, in pixels, from (0, 0) on.

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> shift_path('horizontal', 2)
        ((0, 0), (0, 1), (0, 2))
    """
    check_choice('direction', direction, tuple(DIRECTIONS))
    max_shift = as_integer('max_shift', max_shift, 1)
    down, right = DIRECTIONS[direction]
    return tuple((step * down, step * right) for step in range(max_shift + 1))


@dataclass(frozen=True)
class LabelSweep:
    """Top classes along a path.

    Attributes:
        watched: The class whose probability is followed.
        prediction: Top class at each shift, ``(D,)``.
        confidence: Probability of the top class, ``(D,)``.
        probability: Probability of the watched class, ``(D,)``.
        agreement: At each shift, whether the top class is that of the first view: 1.0 or 0.0.
    """

    watched: int
    prediction: Tensor
    confidence: Tensor
    probability: Tensor
    agreement: tuple[float, ...]


def compare_maps(maps: Tensor, path: Sequence[Offset]) -> tuple[Tensor, tuple[float, ...]]:
    """Compare class maps with the first of them, each on the pixels that both views show.

    Args:
        maps: Class maps of the views, ``(D, h, w)``.
        path: Offsets of the views, see `shift_path`.

    Returns:
        Pixels of the overlap with the first view whose class is another there, ``(D, h, w)``, bool; and at each shift,
        the share of the overlap that has the class of the first view.

    Raises:
        ValueError: If there is not one map per offset, or a view does not overlap the first.
    """
    _check_length('maps', maps, path)
    pairs = list(zip(maps, path, strict=True))
    agreement = tuple(segmentation_consistency(maps[0], current, path[0], offset).share for current, offset in pairs)
    flipped = torch.zeros_like(maps, dtype=torch.bool)
    height, width = maps.shape[1:]
    for marks, (current, (down, right)) in zip(flipped, pairs, strict=True):
        overlap = slice(height - down), slice(width - right)
        marks[overlap] = current[overlap] != maps[0, down:, right:]
    return flipped, agreement


def compare_logits(logits: Tensor, path: Sequence[Offset], label: int | None = None) -> LabelSweep:
    """Compare top classes with the first of them.

    Args:
        logits: Logits of the views, ``(D, N)``.
        path: Offsets of the views, see `shift_path`.
        label: The class to watch, by default the top class of the first view.

    Raises:
        ValueError: If there is not one row per offset, or ``label`` is none of the classes.
    """
    _check_length('logits', logits, path)
    label = None if label is None else as_class(label, logits.shape[1])
    probabilities = logits.double().softmax(1)
    prediction = logits.argmax(1)
    watched = int(prediction[0]) if label is None else label
    agreement = tuple((prediction == prediction[0]).double().tolist())
    return LabelSweep(watched, prediction, probabilities.amax(1), probabilities[:, watched], agreement)


def running_mean(agreement: Sequence[float]) -> list[float | None]:
    """Return at each shift the mean over all shifts up to there; the first view agrees with itself and does not count.

    Example:
        >>> running_mean([1.0, 0.5, 0.75])
        [None, 0.5, 0.625]
    """
    return [None, *(sum(agreement[1 : count + 1]) / count for count in range(1, len(agreement)))]


def _check_length(name: str, predictions: Tensor, path: Sequence[Offset]) -> None:
    if len(predictions) != len(path):
        raise ValueError(f'{name} must hold one prediction for each of {len(path)} offsets, got {len(predictions)}')
