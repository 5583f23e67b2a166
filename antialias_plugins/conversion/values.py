"""The proof of a conversion: with plain subsampling in place of every filter, a network computes what it did before."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from antialias_plugins.conversion.examples import run, tensors_in
from antialias_plugins.conversion.placement import has_hidden_forward
from antialias_plugins.conversion.plan import Site, UnsupportedModelError
from antialias_plugins.conversion.trace import Graph, trace_call

# Of the range of an output: rounding adds up in deep networks, more so where convolutions round to TF32 or a half type.
_TOLERANCES = {torch.float64: 1e-7, torch.float32: 1e-3}
_ROUGH = 5e-2
_ROUNDINGS = 64  # of the largest value: where an output is nearly constant
_TURNED = 0.02  # share of an output of integers that rounding may turn


class Fingerprint(NamedTuple):
    """What is remembered of a map to tell it from another."""

    shape: tuple[int, ...]
    mean: float
    spread: float


def prove(
    model: nn.Module, graph: Graph, sites: Sequence[Site], subsampling: Callable[[], AbstractContextManager]
) -> None:
    """Make the network dense and subsample plainly: it must compute what it did when it was traced.

    Args:
        model: the network.
        graph: its trace.
        sites: the places to prove; one whose norms take other statistics then stays as it is meanwhile.
        subsampling: makes a context in which these places subsample plainly.

    Raises:
        UnsupportedModelError: it fails, or computes something else; the first map that differs is named.
    """
    roots, name = {root for site in sites for root in site.roots}, type(model).__name__
    is_behind_a_choice = any(node.is_chosen and node.name in roots for node in graph)
    try:
        with subsampling():
            dense = trace_call(model, graph.call)
        found = difference(*(it.certain(is_behind_a_choice) for it in (dense, graph)))
        if found is None and difference(dense.evidence, graph.evidence):
            found = 'what it chooses boxes or regions from'
    except Exception as error:
        raise UnsupportedModelError(
            f'{name} cannot be antialiased and was left as it is: with dense convolutions it fails, before any filter, '
            f'with {type(error).__name__}: {error}'
        ) from error
    if found is None:
        return
    with fingerprints(model) as expected:
        run(model, graph.call)
    with subsampling(), fingerprints(model) as actual:
        run(model, graph.call)
    place = first_difference(actual, expected)
    hidden = [root for root in sorted(roots) if has_hidden_forward(model.get_submodule(root))]
    raise UnsupportedModelError(
        f'{name} cannot be antialiased and was left as it is: with dense convolutions and plain subsampling it '
        f'computes something else: {found}' + (f'; the first map that differs is that of {place}' if place else ''),
        [
            'some code of its own depends on a stride, or on the size of a map that is dense then; skip=[...] leaves '
            'a place as it is, and a part of the network that has no such code can be converted by itself',
            *(f'{it} has a forward of its own on the instance: undo that, convert, and do it again' for it in hidden),
        ],
    )


@contextmanager
def fingerprints(model: nn.Module) -> Iterator[dict[str, Fingerprint]]:
    """Take down the first map that each module returns while the network runs, in the order in which they end."""
    found: dict[str, Fingerprint] = {}

    def take(name: str, output: object) -> None:
        maps = [one for one in tensors_in(output) if one.is_floating_point() and one.numel() and not one.is_meta]
        if maps and name not in found:
            values = maps[0].detach().float()
            found[name] = Fingerprint(tuple(values.shape), values.mean().item(), values.std(correction=0).item())

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if name:
                hooks.callback(module.register_forward_hook(lambda _, __, out, name=name: take(name, out)).remove)
        yield found


def first_difference(found: dict[str, Fingerprint], expected: dict[str, Fingerprint]) -> str | None:
    """The first module whose map has the same shape as expected and other values."""
    for name, other in expected.items():
        one = found.get(name, other)
        error = max(abs(one.mean - other.mean), abs(one.spread - other.spread))
        if one.shape == other.shape and not error <= 1e-3 * max(abs(other.mean), other.spread):
            return name
    return None


def difference(outputs: Sequence[Tensor], expected: Sequence[Tensor]) -> str | None:
    """How the outputs of a network differ from those expected, in words."""
    shapes, wanted = ([tuple(one.shape) for one in tensors] for tensors in (outputs, expected))
    if shapes != wanted:
        return f'outputs of shapes {shapes} in place of {wanted}'
    for index, (one, other) in enumerate(zip(outputs, expected, strict=True)):
        found = _difference(one, other)
        if found:
            return f'output {index + 1}, of shape {wanted[index]}, {found}'
    return None


def _difference(one: Tensor, other: Tensor) -> str | None:
    if not other.numel() or other.is_meta:
        return None
    if not other.is_floating_point():
        turned = (one != other).float().mean().item()
        return f'with other numbers in {turned:.0%} of its places' if turned > _TURNED else None
    rough = other.is_cuda or other.dtype not in _TOLERANCES
    tolerance, rounding = (_ROUGH if rough else _TOLERANCES[other.dtype]), torch.finfo(other.dtype).eps
    one, other = (tensor.detach().cpu().double() for tensor in (one, other))
    known = other.isfinite()
    if not torch.equal(one[~known].nan_to_num(), other[~known].nan_to_num()):
        return 'with other places that are not finite'
    if not known.any():
        return None
    error, values = (one - other)[known].abs().max().item(), other[known]
    span, largest = (values.max() - values.min()).item(), values.abs().max().item()
    close = error <= tolerance * span + _ROUNDINGS * rounding * largest
    return None if close else f'off by {error:.2g}, where its values span {span:.2g}'
