"""Checks of arguments of the public functions and layers, each rule stated once."""

from collections.abc import Sequence

from torch import Tensor

from antialias_plugins.kernels import static_shape

PADDING_MODES = ('zeros', 'reflect', 'replicate', 'circular')
SOFTMAXES = ('group', 'joint')


def check_map(input: Tensor, channels: int | None = None) -> None:
    """Raise unless `input` is a floating-point map (N, C, H, W), with that many channels if `channels` is given."""
    if input.dim() != 4 or not input.is_floating_point():
        raise ValueError(
            f'input must be a floating-point tensor (N, C, H, W), got shape {tuple(input.shape)} of {input.dtype}'
        )
    if channels is not None and static_shape(input)[1] != channels:
        raise ValueError(f'input must have the {channels} channels of the layer, got {static_shape(input)[1]}')


def check_count(name: str, value: int, minimum: int = 1) -> int:
    """Return `value` if it is an integer of at least `minimum`, else raise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f'{name} must be an integer of at least {minimum}, got {value!r}')
    return value


def check_positive(name: str, value: float) -> float:
    """Return `value` if it is a number greater than 0, else raise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f'{name} must be a number greater than 0, got {value!r}')
    return value


def check_pair(name: str, value: int | Sequence[int], minimum: int = 1) -> tuple[int, int]:
    """Return ``(vertical, horizontal)`` for an integer or a pair of integers of at least `minimum`, else raise."""
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(pair) != 2 or any(isinstance(v, bool) or not isinstance(v, int) or v < minimum for v in pair):
        raise ValueError(f'{name} must be an integer of at least {minimum} or a pair of them, got {value!r}')
    return pair


def check_odd(name: str, value: int) -> int:
    """Return `value` if it is a positive odd integer, else raise."""
    if check_count(name, value) % 2 == 0:
        raise ValueError(f'{name} must be odd, so that the filter has a centre, got {value}')
    return value


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`, else raise."""
    if value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(map(repr, choices))}, got {value!r}')
    return value


def check_groups(channels: int, groups: int) -> int:
    """Return `groups` if it divides `channels`, else raise."""
    check_count('groups', groups)
    if check_count('channels', channels) % groups:
        raise ValueError(f'groups must divide the number of channels, got {groups} groups for {channels} channels')
    return groups
