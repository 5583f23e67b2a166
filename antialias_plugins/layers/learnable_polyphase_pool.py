"""Learnable polyphase sampling as a module, and the schedule of its temperature."""

import bisect
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antialias_plugins import kernels
from antialias_plugins.functional.arguments import (
    check_choice,
    check_count,
    check_module,
    check_number,
    check_placement,
    check_positive,
)
from antialias_plugins.kernels.maps import widest_type
from antialias_plugins.layers.phase_link import PhaseLink
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d

SAMPLINGS = ('gumbel', 'straight-through', 'softmax')
SHAPES = ('linear', 'exponential', 'steps')


class LearnablePolyphasePool2d(PolyphasePool2d):
    """Subsamples where a small network that judges every polyphase component says (LPS), behind a low-pass filter.

    From `Learnable Polyphase Sampling for Shift Invariant and Equivariant Convolutional Networks
    <https://arxiv.org/abs/2210.08001>`_ (Rojas-Gomez et al., 2022). The logit of a component is the mean of
    ``conv2(relu(conv1(component)))``. In eval mode the component of the largest logit is taken unchanged (the first
    among equals). In train mode the output is a sum of all components, whose random weights single one out: the more,
    the lower the temperature. Lower it during training, see `antialias_plugins.layers.scheduled_temperature`.

    Behind a filter of K >= 2 taps all components have the same mean. Where the ReLU passes or stops each channel as a
    whole, as it may with few `hid_channels` on maps that are all but constant, their logits tie, and nothing is exact.

    Args:
        channels: C; `stride`, `filt_size` and `adaptive` are those of `PolyphasePool2d`.
        hid_channels: channels between and behind the convolutions: a number, or as a float a share of C, such as the
            0.125 of the authors' smaller networks; C by default.
        padding_mode: of the filter and of the convolutions.
        temperature: divisor of the logits in train mode, greater than 0.
        sampling: weights in train mode: ``'gumbel'`` (the paper: softmax of the logits with Gumbel noise),
            ``'straight-through'`` (one component, drawn with the same odds, and the gradients of ``'gumbel'``) or
            ``'softmax'`` (no noise).
        device, dtype: of the parameters, as in torch's layers.

    Attributes:
        conv1: `torch.nn.Conv2d`, C to `hid_channels`, 3 x 3. None in a follower.
        conv2: `torch.nn.Conv2d`, `hid_channels` to `hid_channels`, 3 x 3. None in a follower.
        temperature: a number that may be changed at any time. A compiled network is compiled anew when it changes.

    Example:
        >>> import torch
        >>> LearnablePolyphasePool2d(8, filt_size=3)(torch.rand(2, 8, 6, 7)).shape
        torch.Size([2, 8, 3, 4])
    """

    conv1: nn.Conv2d | None
    conv2: nn.Conv2d | None

    def __init__(
        self,
        channels: int,
        stride: int | tuple[int, int] = 2,
        filt_size: int = 1,
        hid_channels: int | float | None = None,
        padding_mode: str = 'circular',
        temperature: float = 1.0,
        sampling: str = 'gumbel',
        adaptive: Mapping[str, Any] | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        placement = check_placement(device, dtype)
        super().__init__(check_count('channels', channels), stride, filt_size, padding_mode, adaptive, **placement)
        self.temperature = check_positive('temperature', temperature)
        self.sampling = check_choice('sampling', sampling, SAMPLINGS)
        hidden = _hidden_channels(channels, hid_channels)
        self.conv1 = nn.Conv2d(channels, hidden, 3, **placement)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, **placement)

    def follow(self, link: PhaseLink) -> None:
        """Take the choices published through `link` from now on; `conv1` and `conv2` become None."""
        super().follow(link)
        self.conv1 = self.conv2 = None

    def choose(self, components: Tensor) -> Tensor:
        """Return phases (N,) in eval mode, weights (N, P) in train mode."""
        logits = self.scores(components)
        if not self.training:
            return logits.argmax(1)
        logits = logits.to(torch.promote_types(components.dtype, torch.float32))
        if self.sampling == 'softmax':
            return (logits / self.temperature).softmax(1)
        weights = F.gumbel_softmax(logits, self.temperature, dim=1)
        if self.sampling == 'gumbel':
            return weights
        drawn = torch.zeros_like(weights).scatter(1, weights.argmax(1, keepdim=True), 1.0)
        return drawn + (weights - weights.detach())  # in this order exactly 0 and 1

    def scores(self, components: Tensor) -> Tensor:
        """Judge components (N, P, C, M_h, M_w): (N, P), averaged in the type of `polyphase_norms`."""
        maps = components.flatten(0, 1)
        for conv, activation in ((self.conv1, F.relu), (self.conv2, nn.Identity())):
            maps = activation(conv(kernels.pad2d(maps, 3, self.padding_mode)))
        means = maps.mean((1, 2, 3), dtype=torch.promote_types(maps.dtype, widest_type(maps.device)))
        return means.reshape(-1, kernels.static_shape(components)[1])

    def extra_repr(self) -> str:
        """List the arguments."""
        return f'{super().extra_repr()}, temperature={self.temperature}, sampling={self.sampling!r}'


def _hidden_channels(channels: int, hid_channels: int | float | None) -> int:
    if hid_channels is None:
        return channels
    if isinstance(hid_channels, float):
        return max(1, round(check_positive('hid_channels', hid_channels) * channels))
    return check_count('hid_channels', hid_channels)


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
    check_module('model', model)
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
    check_number('step', step)
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
    for name, numbers in (('milestones', milestones), ('temperatures', temperatures)):
        if not isinstance(numbers, Sequence) or isinstance(numbers, str):
            raise ValueError(f'{name} must be a sequence of numbers, got {numbers!r}')
        for number in numbers:
            check_number(name, number)
    if not milestones or any(late <= early for early, late in itertools.pairwise(milestones)):
        raise ValueError(f'milestones must be increasing numbers, at least one, got {milestones!r}')
    if len(temperatures) != len(milestones):
        raise ValueError(f'temperatures must be as many as the {len(milestones)} milestones, got {temperatures!r}')
    for temperature in temperatures:
        check_positive('temperatures', temperature)
