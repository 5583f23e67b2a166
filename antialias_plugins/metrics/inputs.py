"""Checks of what the metrics are given: numbers, labels, maps, and the networks behind a prediction."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from math import isfinite
from numbers import Real
from operator import index as whole
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from antialias_plugins.conversion.examples import evaluating


def as_integer(name: str, value: Any, least: int | None = None) -> int:
    """Return an integer of any type, a tensor's single one too, as an int; raise if it is none, or below ``least``."""
    try:
        number = None if _is_bool(value) else whole(value)
    except (TypeError, ValueError):
        number = None
    if number is None:
        bound = '' if least is None else f' of at least {least}'
        raise ValueError(f'{name} must be an integer{bound}, got {value!r:.200}')
    if least is not None and number < least:
        raise ValueError(f'{name} must be at least {least}, got {number}')
    return number


def check_least(**values: tuple[int, int]) -> None:
    """Raise unless each value is an integer that is at least the number beside it."""
    for name, (value, least) in values.items():
        as_integer(name, value, least)


def as_list(name: str, value: Any, kind: str = 'at least one') -> list[Any]:
    """Return a list of what a collection holds; raise if it is none, such as a text, or empty."""
    items = list(value) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else []
    if not items:
        found = 'none' if isinstance(value, (list, tuple)) else f'{value!r:.200}'
        raise ValueError(f'{name} must hold {kind}, got {found}')
    return items


def check_number(name: str, value: float, rule: str, holds: Callable[[float], bool]) -> None:
    """Raise unless ``value`` is a finite number for which the rule holds."""
    if _is_bool(value) or not isinstance(value, Real) or not (isfinite(value) and holds(value)):
        raise ValueError(f'{name} must be {rule}, got {value!r}')


def check_type(name: str, value: Any, kind: type) -> None:
    """Raise unless ``value`` is one of a class."""
    if not isinstance(value, kind):
        raise ValueError(f'{name} must be of class {kind.__name__}, got {value!r:.200}')


def as_number(value: Any) -> float | None:
    """Return a number of any type, a tensor's single one too, as Python's; ``None`` if it is none."""
    value = as_item(value)
    return value if isinstance(value, Real) else None


def as_item(value: Any) -> Any:
    """Return the single element of a tensor or an array, and anything else as it is."""
    single = isinstance(value, Tensor) and value.numel() == 1
    return value.item() if single or (isinstance(value, (np.ndarray, np.generic)) and value.size == 1) else value


def as_pair(name: str, value: Any, rule: str, holds: Callable[[float], bool]) -> tuple[float, float]:
    """Return a pair of numbers for which the rule holds; raise if it is none."""
    value = value.tolist() if isinstance(value, Tensor) else value
    parts = list(value) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else []
    numbers = tuple(as_number(part) for part in parts)
    if len(numbers) != 2 or not all(number is not None and isfinite(number) and holds(number) for number in numbers):
        raise ValueError(f'{name} must be a pair of {rule}, got {value!r:.200}')
    return numbers


def as_corner(name: str, value: Any) -> tuple[int, int]:
    """Return row and column of a pixel as integers; raise if they are none, or negative."""
    pair = as_pair(name, value, 'integers', lambda number: number == int(number))
    if min(pair) < 0:
        raise ValueError(f'{name} must not be negative, got {pair}')
    return int(pair[0]), int(pair[1])


def as_class(label: Any, classes: int | None = None) -> int:
    """Return the label of an image as an int; raise if it is no class."""
    label = as_integer('label', label)
    if label < 0 or (classes is not None and label >= classes):
        raise ValueError(f'label must be {"a class" if classes is None else f"one of {classes} classes"}, got {label}')
    return label


def as_tensor(name: str, value: Any) -> Tensor:
    """Return a tensor, or an array of NumPy as one; raise if it is something else."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in 'biufc':
        raise ValueError(f'{name} must be a tensor, got {type(value).__name__}')
    if value.dtype.kind == 'u' and value.itemsize > 1:  # of these torch knows little more than the name
        value = value.astype(np.int64)
    return torch.from_numpy(value.copy())  # in order, and not read-only


def check_shape(name: str, value: Tensor, shape: str) -> None:
    """Raise unless a tensor has as many sides as the shape, such as ``'(C, H, W)'``, and none is 0; ``…`` for any."""
    sides = 1 + shape.count(',')
    if value.ndim < sides - 1 if '.' in shape else value.ndim != sides:
        raise ValueError(f'{name} must have shape {shape}, got {tuple(value.shape)}')
    if not value.numel():
        raise ValueError(f'{name} must have shape {shape}, none of them 0, got {tuple(value.shape)}')


def as_class_maps(name: str, value: Any, shape: str = '(h, w)') -> Tensor:
    """Return maps of classes as integers; raise if they hold anything but whole numbers, such as probabilities."""
    maps = as_tensor(name, value)
    check_shape(name, maps, shape)
    if maps.is_complex() or (maps.is_floating_point() and (wrong := maps[maps != maps.round()]).numel()):
        found = maps.dtype if maps.is_complex() else f'{wrong[0]:.4g} of {maps.dtype}'
        raise ValueError(f'{name} must hold classes, whole numbers, got {found}: take the argmax over classes first')
    if maps.is_floating_point() and maps.isinf().any():
        raise ValueError(f'{name} must hold classes, whole numbers, got infinite ones')
    return maps.long()


def as_logits(name: str, value: Any, views: int | None = None, fewest_classes: int = 1) -> Tensor:
    """Return logits, ``(V, N)``, as a tensor; raise if they have another shape or are not finite."""
    logits = as_tensor(name, value)
    rows = 2 if views is None else views
    if logits.ndim != 2 or (len(logits) < rows if views is None else len(logits) != rows):
        wanted = '(V, N) with at least two views' if views is None else f'({views}, N)'
        raise ValueError(f'{name} must have shape {wanted}, got {tuple(logits.shape)}')
    if logits.shape[1] < fewest_classes:
        raise ValueError(f'{name} must have at least {fewest_classes} classes, got shape {tuple(logits.shape)}')
    if logits.dtype == torch.bool or logits.is_complex():
        raise ValueError(f'{name} must be real numbers, got {logits.dtype}')
    if not logits.isfinite().all():
        raise ValueError(f'{name} must be finite, got {int((~logits.isfinite()).sum())} that are not')
    return logits


def in_float64(values: Tensor) -> Tensor:
    """Return values in float64, on the CPU where their device has none, such as Apple's GPUs."""
    try:
        return values.double()
    except (TypeError, RuntimeError):
        return values.cpu().double()


@contextmanager
def in_evaluation(predict: Callable[..., Any]) -> Iterator[None]:
    """Put the networks that ``predict`` is, holds or refers to into evaluation mode, and every module back after."""
    if not callable(predict):
        raise ValueError(f'predict must be callable, got {type(predict).__name__}')
    with ExitStack() as modes:
        for network in _networks_behind(predict, set()):
            if any(module.training for module in network.modules()):
                modes.enter_context(evaluating(network))
        yield


def _networks_behind(it: Any, seen: set[int], depth: int = 4) -> Iterator[nn.Module]:
    """Networks in a function's variables and globals, in what it calls, in bound arguments, and in objects' fields."""
    if id(it) in seen or not depth or isinstance(it, (type, ModuleType, Tensor)):
        return
    seen.add(id(it))
    if isinstance(it, nn.Module):
        yield it
        return
    if isinstance(it, partial):
        parts = [it.func, *it.args, *it.keywords.values()]
    elif isinstance(it, MethodType):
        parts = [it.__self__, it.__func__]
    elif isinstance(it, FunctionType):
        names = set(_names(it.__code__))
        parts = [value for name, value in it.__globals__.items() if name in names]
        parts += [cell.cell_contents for cell in it.__closure__ or () if _is_filled(cell)]
        parts += [*(it.__defaults__ or ()), *(it.__kwdefaults__ or {}).values()]
    elif isinstance(it, (list, tuple)):
        parts = it if len(it) < 100 else ()
    else:
        parts = [*getattr(it, '__dict__', {}).values(), type(it).__dict__.get('__call__')]
    for part in list(parts):
        yield from _networks_behind(part, seen, depth - 1)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a variable that has no value yet
        return False


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) or (isinstance(value, Tensor) and value.dtype == torch.bool)
