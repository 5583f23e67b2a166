"""The proof of a conversion: with plain subsampling in place of every filter, a network computes what it did before."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from antialias_plugins.conversion.examples import tensors_in

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
