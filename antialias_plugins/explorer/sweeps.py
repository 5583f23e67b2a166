"""What one network predicts along a path, compared with what it predicts at its beginning.

Letters: shifts ``D``, classes ``N``, view ``h w``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from antialias_plugins.metrics import segmentation_consistency
from antialias_plugins.metrics.offsets import Offset


@dataclass(frozen=True)
class MapSweep:
    """Class maps along a path.

    Attributes:
        maps: Class of every pixel of the view, ``(D, h, w)``.
        flipped: Pixels of the overlap with the first view whose class is another there, ``(D, h, w)``, bool.
        agreement: At each shift, the share of the overlap that has the class of the first view.
    """

    maps: Tensor
    flipped: Tensor
    agreement: tuple[float, ...]


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


def compare_maps(maps: Tensor, path: Sequence[Offset]) -> MapSweep:
    """Compare class maps with the first of them, each on the pixels that both views show.

    Args:
        maps: Class maps of the views, ``(D, h, w)``.
        path: Offsets of the views, see `shift_path`.

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
    return MapSweep(maps, flipped, agreement)


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
    if label is not None and not 0 <= label < logits.shape[1]:
        raise ValueError(f'label must be one of {logits.shape[1]} classes, got {label}')
    probabilities = logits.double().softmax(1)
    prediction = logits.argmax(1)
    watched = int(prediction[0]) if label is None else label
    agreement = tuple((prediction == prediction[0]).double().tolist())
    return LabelSweep(watched, prediction, probabilities.amax(1), probabilities[:, watched], agreement)


def count_flips(sweep: MapSweep, path: Sequence[Offset]) -> Tensor:
    """Count for every pixel of the first view at how many shifts its class is another, ``(h, w)``, int64."""
    height, width = sweep.maps.shape[1:]
    counts = torch.zeros(height, width, dtype=torch.int64)
    for marks, (down, right) in zip(sweep.flipped, path, strict=True):
        counts[down:, right:] += marks[: height - down, : width - right]
    return counts


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
