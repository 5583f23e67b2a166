"""How accurate a network is, and how consistent."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antialias_plugins.metrics import ShiftConsistency, ViewPlan
from lab.comparison.digits import SIDE, Labelled

# A translation moves the digit by up to 4 pixels of 32 and leaves black behind; a circular shift goes anywhere.
TRANSLATIONS = ViewPlan(max_shift=8, crop_size=SIDE)
CIRCULAR_SHIFTS = ViewPlan(max_shift=SIDE, crop_size=SIDE, circular=True)
_BATCH = 256


@dataclass(frozen=True)
class Shifted:
    """What a network makes of shifted images; shares in [0, 1].

    Attributes:
        accuracy: over all views of all images.
        consistency: share of the images whose two views get the same class.
        probability_change: mean absolute change of the top class's probability between the two views.
    """

    accuracy: float
    consistency: float
    probability_change: float


@dataclass(frozen=True)
class Quality:
    """What a network makes of test images.

    Attributes:
        accuracy: share of the images as they are that get their class.
        translated: two views per image that lie 0 to 7 pixels apart in each direction, black beyond the border.
        circular: two circular shifts per image.
    """

    accuracy: float
    translated: Shifted
    circular: Shifted


def measure_quality(network: nn.Module, data: Labelled) -> Quality:
    """Measure accuracy and consistency, with the same shifts for every network.

    Args:
        network: is put into eval mode.
        data: the test images.
    """
    network.eval()
    correct = _predict(network, data.images).argmax(1) == data.labels
    margin = TRANSLATIONS.max_shift // 2
    padded = Labelled(F.pad(data.images, (margin,) * 4), data.labels)
    return Quality(
        accuracy=float(correct.double().mean()),
        translated=_measure(network, padded, TRANSLATIONS),
        circular=_measure(network, data, CIRCULAR_SHIFTS),
    )


def _measure(network: nn.Module, data: Labelled, plan: ViewPlan) -> Shifted:
    """Cut and classify the views (N, V, C, H, W)."""
    views = torch.stack([plan.cut(index, image) for index, image in enumerate(data.images)])
    logits = _predict(network, views.flatten(0, 1)).unflatten(0, views.shape[:2])
    consistency = ShiftConsistency(plan)
    for index, (of_image, label) in enumerate(zip(logits, data.labels.tolist(), strict=True)):
        consistency.add(index, of_image, label)
    result = consistency.compute()
    correct = logits.argmax(2) == data.labels[:, None]
    return Shifted(float(correct.double().mean()), result.mean, result.probability_change)


@torch.no_grad()
def _predict(network: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([network(batch) for batch in images.split(_BATCH)])
