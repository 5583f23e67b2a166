"""What the public functions and layers are called with: each rule about an argument, stated once."""

import functools
import inspect
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from antialias_plugins.kernels import static_shape

PADDING_MODES = ('zeros', 'reflect', 'replicate', 'circular')
SOFTMAXES = ('group', 'joint')


def one_or_many(*others: str, dim: int = 4) -> Callable[[Callable], Callable]:
    """Let a function or ``forward`` of a batch of maps take one map without the batch axis too, as torch's layers do.

    The first argument (behind ``self``) and the `others` by name lose that axis together, and so does what is returned.
    A proxy of `torch.fx` becomes one node, which calls the function or, as if it were torch's own, the module.

    Args:
        others: names of further arguments with a batch axis.
        dim: number of axes of a batch.
    """

    def decorate(function: Callable) -> Callable:
        names = tuple(inspect.signature(function).parameters)
        first = int(names[0] == 'self')
        batched = {names[first], *others}

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            map = args[first] if len(args) > first else kwargs.get(names[first])
            if type(map) is Tensor and map.dim() == dim:
                return function(*args, **kwargs)
            if isinstance(map, Proxy):
                return as_leaf(*args, **kwargs) if first else _record('call_function', call, args, kwargs)
            if not isinstance(map, Tensor) or map.dim() != dim - 1:
                return function(*args, **kwargs)
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            result = function(**{name: _batch_of_one(it) if name in batched else it for name, it in given.items()})
            return tuple(part.squeeze(0) for part in result) if isinstance(result, tuple) else result.squeeze(0)

        return call

    return decorate


def _batch_of_one(value: Any) -> Any:
    return value[None] if isinstance(value, Tensor) else value


def as_leaf(module: nn.Module, *args: Any, **kwargs: Any) -> Proxy:
    """Record a call of a module with proxies of `torch.fx` as one node."""
    return _record('call_module', module, args, kwargs)


def _record(kind: str, target: nn.Module | Callable, args: tuple, kwargs: Mapping[str, Any]) -> Proxy:
    tracer = next(it.tracer for it in (*args, *kwargs.values()) if isinstance(it, Proxy))
    if isinstance(target, nn.Module):
        if target is tracer.root:
            raise TypeError(f'{type(target).__name__} by itself has no graph to trace: trace a network that holds it')
        target = tracer.path_of_module(target)
    return tracer.create_proxy(kind, target, args, dict(kwargs))


def check_map(input: Tensor, channels: int | None = None, name: str = 'input') -> None:
    """Raise unless `input` is a floating-point map (N, C, H, W), with that many channels if `channels` is given."""
    if not isinstance(input, Tensor) or input.dim() != 4 or not input.is_floating_point():
        raise ValueError(f'{name} must be a floating-point tensor (N, C, H, W) or (C, H, W), got {described(input)}')
    shape = static_shape(input) if torch.jit.is_tracing() else input.shape
    if 0 in shape[1:]:
        raise ValueError(f'{name} must have a channel, a row and a column at least, got {described(input)}')
    if channels is not None and shape[1] != channels:
        raise ValueError(f'{name} must have the {channels} channels of the layer, got {shape[1]}')


def described(value: Any) -> str:
    """Shape and type of a tensor, else what it is."""
    if isinstance(value, Tensor):
        return f'shape {tuple(value.shape)} of {value.dtype}'
    return reprlib.repr(value)


def check_module(name: str, value: nn.Module) -> None:
    """Raise unless `value` is a module."""
    if not isinstance(value, nn.Module):
        raise TypeError(f'{name} must be a torch.nn.Module, got {type(value).__name__}')


def check_uncompiled(name: str, value: nn.Module) -> None:
    """Raise unless `value` is a module that is neither scripted, traced nor compiled: those hold what was recorded."""
    check_module(name, value)
    if isinstance(value, torch.jit.ScriptModule) or hasattr(value, '_orig_mod'):
        raise ValueError(f'{name} must be as it was before torch.jit or torch.compile, got {type(value).__name__}')


def check_count(name: str, value: int, minimum: int = 1) -> int:
    """Return `value` if it is an integer of at least `minimum`, else raise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f'{name} must be an integer of at least {minimum}, got {value!r}')
    return value


def check_flag(name: str, value: bool) -> bool:
    """Return `value` if it is True or False, else raise."""
    if not isinstance(value, bool):
        raise ValueError(f'{name} must be True or False, got {value!r}')
    return value


def check_number(name: str, value: float) -> float:
    """Return `value` if it is a finite number, else raise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f'{name} must be a finite number, got {value!r}')
    return value


def check_positive(name: str, value: float) -> float:
    """Return `value` if it is a finite number greater than 0, else raise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
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
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(map(repr, choices))}, got {value!r}')
    return value


def check_groups(channels: int, groups: int) -> int:
    """Return `groups` if it divides `channels`, else raise."""
    check_count('groups', groups)
    if check_count('channels', channels) % groups:
        raise ValueError(f'groups must divide the number of channels, got {groups} groups for {channels} channels')
    return groups


def check_placement(device: torch.device | str | int | None, dtype: torch.dtype | None) -> dict[str, Any]:
    """Return where parameters are made and in which type, as torch's layers take it, or raise."""
    try:
        device = device if device is None else torch.device(device)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f'device must be one of torch, got {device!r}: {error}') from None
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f'dtype must be a floating-point type of torch, got {dtype!r}')
    return {'device': device, 'dtype': dtype}
