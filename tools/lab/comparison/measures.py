"""Accuracy and consistency of a network, and cost of the methods in time and memory, taken in turns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antialias_plugins.metrics import ShiftConsistency, ViewPlan
from lab.benchmark.cost import count_saved_bytes, time_interleaved
from lab.comparison.method import Method, build_network
from lab.comparison.training import SIDE, Labelled, Recipe, make_optimizer, step

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


@dataclass(frozen=True)
class Cost:
    """Cost of one network.

    Attributes:
        step: seconds of a training step (forward, backward, optimizer) on one batch, the median.
        step_spread: their interquartile range.
        image: seconds per image of a forward pass of one batch in eval mode, the median.
        image_spread: their interquartile range.
        saved: bytes per image that a forward pass in train mode keeps for backward.
        parameters: how many there are.
    """

    step: float
    step_spread: float
    image: float
    image_spread: float
    saved: float
    parameters: int


def measure_costs(
    methods: Sequence[Method], data: Labelled, recipe: Recipe, rounds: int = 5, seconds: float = 0.1
) -> dict[str, Cost]:
    """Measure in turns, so that whatever else the machine does, it does to all methods.

    Args:
        methods: what to compare.
        data: the training images, of which the first batch is used.
        recipe: gives the batch and the optimizer.
        rounds: turns of each.
        seconds: how long a turn lasts at least.

    Returns:
        The costs, by the name of the method.
    """
    images, labels = (part[: recipe.batch_size] for part in data)
    steps: dict[str, Callable[[], object]] = {}
    passes: dict[str, Callable[[], object]] = {}
    for method in methods:
        trained, network = build_network(method, 0).train(), build_network(method, 0).eval()
        # All losses count, those that a method leaves out of the beginning of the training too.
        steps[method.name] = partial(step, trained, make_optimizer(trained, recipe), images, labels, 1.0)
        passes[method.name] = partial(_infer, network, images)
    step_times, pass_times = (time_interleaved(runs, rounds, seconds) for runs in (steps, passes))
    costs = {}
    for method in methods:
        network, step_time, pass_time = (
            build_network(method, 0).train(),
            step_times[method.name],
            pass_times[method.name],
        )
        costs[method.name] = Cost(
            step=step_time.median,
            step_spread=step_time.spread,
            image=pass_time.median / len(images),
            image_spread=pass_time.spread / len(images),
            saved=count_saved_bytes(network, images).activations / len(images),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
        )
    return costs


@torch.no_grad()
def _infer(network: nn.Module, images: Tensor) -> None:
    network(images)
