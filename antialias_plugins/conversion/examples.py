"""Examples: what a network runs on to be traced and checked, and how it runs there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from antialias_plugins.conversion import operators as ops

Example = Tensor | int | tuple | Mapping[str, Any] | Callable[[nn.Module], Any]

# Small, and then what transformers with a fixed size or large windows are made for.
EXAMPLE_SIZES = (128, 224, 256, 384)


@dataclass(frozen=True)
class Call:
    """One way to run a network: with arguments, each time the same, whatever it does to them, or by a function."""

    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    function: Callable[[nn.Module], Any] | None = None

    def __call__(self, model: nn.Module) -> Any:
        """What the network returns."""
        if self.function is not None:
            return self.function(model)
        args, kwargs = tree_map(lambda it: it.clone() if isinstance(it, Tensor) else it, (self.args, dict(self.kwargs)))
        return model(*args, **kwargs)

    def __str__(self) -> str:
        return f'on shape {shapes_in((self.args, dict(self.kwargs)))}' if self.function is None else 'in your function'


def check_example(example: Example | None) -> None:
    """Raise unless it is one of the forms of `example_input`."""
    is_known = example is None or isinstance(example, Tensor | tuple | Mapping | int) or callable(example)
    if isinstance(example, nn.Module | bool) or not is_known:
        raise ValueError(
            'example_input must be a tensor, a size, a tuple of arguments, a dict of keyword arguments or a function '
            f'of the network, got a {type(example).__name__}'
            + ('; an only argument that is a list is written ([...],)' if isinstance(example, list) else '')
        )
    sides = example if _is_size(example) else (example,) if isinstance(example, int) else ()
    if any(side < 1 for side in sides):
        raise ValueError(f'example_input must be a size of positive integers, got {example!r}')


def calls_of(model: nn.Module, example: Example | None) -> Iterator[Call]:
    """The ways to run a network on an example; the first that does not fail is the one."""
    if example is None:
        yield from (Call((image,)) for image in _examples(model))
    elif isinstance(example, int) or (_is_size(example) and len(example) == 2):
        size = (example, example) if isinstance(example, int) else example
        yield from (Call((image,)) for image in _examples(model, size))
    elif _is_size(example):
        yield Call((_noise(model, example),))
    elif isinstance(example, Mapping):
        yield Call(kwargs=example)
    elif isinstance(example, Tensor | tuple):
        yield Call(example if isinstance(example, tuple) else (example,))
    else:
        yield Call(function=example)


def _is_size(value: object) -> bool:
    """Whether it is a tuple that gives a size, and not the arguments of a network."""
    return isinstance(value, tuple) and len(value) in (2, 4) and all(type(n) is int for n in value)


def run(model: nn.Module, call: Call) -> Any:
    """What the network returns in eval mode, without gradients; it and the random state are as before."""
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        return call(model)


def default_example(model: nn.Module) -> Tensor:
    """An image batch that the network accepts: noise of shape (1, C, S, S) in its dtype and on its device.

    C is ``model.in_chans``, as timm has it, or what the first convolution reads; 3 for a network that folds pixels into
    channels before it, as YOLOX's backbone does. S is the first of `EXAMPLE_SIZES` on which it runs, and the first of
    them if it runs on none.
    """
    for image in _examples(model):
        with suppress(Exception):  # whatever a network says to an image that it does not take
            run(model, Call((image,)))
            return image
    return next(_examples(model))


def _examples(model: nn.Module, *sizes: tuple[int, int]) -> Iterator[Tensor]:
    conv = next((m for m in model.modules() if ops.is_conv(m)), None)
    channels = getattr(model, 'in_chans', 3 if conv is None else conv.in_channels)
    for size in sizes or [(side, side) for side in EXAMPLE_SIZES]:
        for number in dict.fromkeys((channels, 3)):
            yield _noise(model, (1, number, *size))


def _noise(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    weight = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0, device='cpu'))
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0), device='cpu')
    return noise.to(device=weight.device, dtype=weight.dtype)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside, and every module's own flag afterwards.

    Only the flags change, because ``train()`` of some hosts does more (it freezes stages), but for modules that derive
    tensors from parameters of their own there, as LeViT's attention does.
    """
    flags = [(module, module.training) for module in model.modules()]
    own_train = [module for module, flag in flags if flag and type(module).train is not nn.Module.train]
    deriving = [module for module in own_train if any(True for _ in module.parameters(recurse=False))]
    for module in deriving:
        module.train(False)
    for module, _ in flags:
        module.training = False
    try:
        yield
    finally:
        for module in deriving:
            module.train(True)
        for module, flag in flags:
            module.training = flag


def tensors_in(tree: Any) -> list[Tensor]:
    """All tensors in nested containers, and in the attributes of objects that hosts return them in."""
    found, seen, leaves = [], set(), tree_flatten(tree)[0]
    while leaves:
        leaf = leaves.pop(0)
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif _is_record(leaf) and id(leaf) not in seen:
            seen.add(id(leaf))
            leaves[:0] = tree_flatten(list(vars(leaf).values()))[0]
    return found


def _is_record(leaf: Any) -> bool:
    """Whether an object is a plain holder of values: no module, class or function."""
    return hasattr(leaf, '__dict__') and not isinstance(leaf, (nn.Module, type, FunctionType, ModuleType))


def shapes_in(tree: Any) -> list[tuple[int, ...]]:
    """Their shapes."""
    return [tuple(tensor.shape) for tensor in tensors_in(tree)]
