"""The temperature of learnable polyphase sampling, and how it falls during training."""

import bisect
import itertools
from collections.abc import Sequence

from torch import nn

from antialias_plugins.functional.arguments import check_choice, check_positive
from antialias_plugins.layers.learnable_polyphase_pool import LearnablePolyphasePool2d

SHAPES = ('linear', 'exponential', 'steps')


def set_temperature(model: nn.Module, temperature: float) -> int:
    """Set the temperature of every `LearnablePolyphasePool2d` of a network.

    Args:
        model: the network.
        temperature: greater than 0.

    Returns:
        The number of such layers.

    Raises:
        ValueError: if `temperature` is not a number greater than 0.

    Example:
        >>> model = nn.Sequential(LearnablePolyphasePool2d(4), nn.ReLU())
        >>> for epoch in range(3):
        ...     count = set_temperature(model, scheduled_temperature(epoch, (0, 2), (1.0, 0.5)))
        >>> count, model[0].temperature
        (1, 0.5)
    """
    check_positive('temperature', temperature)
    layers = [layer for layer in model.modules() if isinstance(layer, LearnablePolyphasePool2d)]
    for layer in layers:
        layer.temperature = temperature
    return len(layers)


def scheduled_temperature(
    step: float, milestones: Sequence[float], temperatures: Sequence[float], shape: str = 'linear'
) -> float:
    """Interpolate the temperature between milestones; before the first and behind the last it is constant.

    Args:
        step: the time, in any unit (iterations, epochs).
        milestones: times, increasing, at least one.
        temperatures: the temperature at each milestone, greater than 0.
        shape: ``'linear'``, ``'exponential'`` (linear in the logarithm) or ``'steps'`` (constant up to a milestone).

    Returns:
        The temperature at that time.

    Raises:
        ValueError: if an argument breaks a rule above.

    Example:
        >>> [scheduled_temperature(epoch, (0, 4), (1.0, 0.25), 'exponential') for epoch in (0, 2, 4, 6)]
        [1.0, 0.5, 0.25, 0.25]
    """
    check_schedule(milestones, temperatures, shape)
    following = bisect.bisect_right(milestones, step)
    if following in (0, len(milestones)):
        return temperatures[max(following - 1, 0)]
    start, end = temperatures[following - 1 : following + 1]
    if shape == 'steps':
        return start
    share = (step - milestones[following - 1]) / (milestones[following] - milestones[following - 1])
    return start + share * (end - start) if shape == 'linear' else start * (end / start) ** share


def check_schedule(milestones: Sequence[float], temperatures: Sequence[float], shape: str) -> None:
    """Raise unless they are a schedule of `scheduled_temperature`."""
    check_choice('shape', shape, SHAPES)
    if not milestones or any(late <= early for early, late in itertools.pairwise(milestones)):
        raise ValueError(f'milestones must be increasing numbers, at least one, got {milestones!r}')
    if len(temperatures) != len(milestones):
        raise ValueError(f'temperatures must be as many as the {len(milestones)} milestones, got {temperatures!r}')
    for temperature in temperatures:
        check_positive('temperatures', temperature)
