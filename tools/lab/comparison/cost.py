"""What the filters cost in time and memory, measured side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from lab.benchmark.saved import count_saved_bytes
from lab.benchmark.timing import time_interleaved
from lab.comparison.digits import Labelled
from lab.comparison.method import Method
from lab.comparison.network import build_network
from lab.comparison.recipe import Recipe
from lab.comparison.training import make_optimizer, step


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
