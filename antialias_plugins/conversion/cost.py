"""What a filter and the dense convolution before it cost: multiply-adds, memory for the backward pass, parameters."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.placement import AttachmentPoint, Run
from antialias_plugins.conversion.plan import Cost
from antialias_plugins.conversion.trace import Node
from antialias_plugins.functional.max_blur_pool import dense_max_pool2d

# Activations whose derivative takes their result; that of others takes what they read.
_KEEP_RESULT = ('relu', 'sigmoid', 'tanh')


def cost_of(run: Run, point: AttachmentPoint, layer: nn.Module, itemsize: int) -> Cost:
    """What a place costs more than it did, at the size of the example.

    Multiply-adds are those of convolutions and matrix products, as `torch.utils.flop_counter` counts them. Memory is
    that of the maps that autograd keeps until the backward pass of a training step, each once.

    Args:
        run: the dense result, from its convolutions to its filter.
        point: the module that the filter hangs on.
        layer: the filter.
        itemsize: bytes of a number of the map.
    """
    root, parameters = run.roots[0], sum(parameter.numel() for parameter in layer.parameters())
    layer, source = layer.to('meta').train(), root.inputs[0].shape
    if point.mode == 'pool':
        before = _measure(root.module, source)
        after = _measure(lambda x: layer(_dense_pool(root.module, x)), source)
        numbers = after.beside - before.beside
        if not _is_kept(root.inputs[0]):
            numbers += after.of_input - before.of_input
        return Cost(after.macs, numbers * itemsize, parameters)
    if point.mode == 'pre' and point.module is root.module:  # filtered first, the convolution is no denser than it was
        filter = _measure(layer, source)
        numbers = filter.beside + prod((*source[:2], *root.shape[2:]))
        if not _is_kept(root.inputs[0]):
            numbers += filter.of_input - prod(source)
        return Cost(filter.macs, numbers * itemsize, parameters)
    filter = _measure(layer, (root.shape[0], point.channels, *_dense_size(root)))
    values = () if point.module is root.module else run.values
    kept = {node for part in run.parts for node in _kept(part.values)} | _kept(values)
    last = next((node for node in reversed(values) if node.role != ops.IDENTITY), None)
    numbers = sum(prod(node.shape) for node in kept) * (_density(root) - 1) + filter.beside
    if last in kept:
        numbers += prod(last.shape)  # what was one map is a dense and a filtered one
    elif filter.of_input:
        numbers += prod(run.values[-1].shape) * _density(root)
    macs = sum(_macs(node) * (_density(node) - 1) for node in run.roots if node.role == ops.CONV)
    return Cost(round(macs + filter.macs), round(numbers * itemsize), parameters)


def _macs(conv: Node) -> int:
    """Multiply-adds of a convolution as it was traced."""
    return prod(conv.shape) * prod(conv.module.weight.shape[1:])


def _dense_size(conv: Node) -> list[int]:
    """Height and width of its result at stride 1."""
    module, sizes = conv.module, []
    for axis, (stride, reach) in enumerate(zip(ops.stride_of(module), ops.reaches(module), strict=True), start=2):
        padding = getattr(module, 'padding', 'same')
        n = conv.inputs[0].shape[axis]
        dense = n if isinstance(padding, str) else n + 2 * ops.pair(padding)[axis - 2] - reach
        # of a layer that pads for itself the size is that of its input
        sizes.append(dense if -(-dense // stride) == conv.shape[axis] else stride * conv.shape[axis])
    return sizes


def _density(conv: Node) -> float:
    """How many times as many pixels its result has at stride 1."""
    return prod(_dense_size(conv)) / prod(conv.shape[2:])


def _kept(values: Sequence[Node]) -> set[Node]:
    """The maps that autograd keeps of a chain of operations: what they read, or their results."""
    kept = set()
    for before, node in pairwise(values):
        if node.role == ops.NORM or (node.role == ops.ACTIVATION and not _keeps_result(node)):
            kept.add(before)
        elif node.role in (ops.ACTIVATION, ops.PRODUCT):
            kept.add(node)
    return kept


def _keeps_result(node: Node) -> bool:
    return (type(node.module).__name__.lower() if node.module else node.name) in _KEEP_RESULT


def _is_kept(value: Node) -> bool:
    """Whether a map is kept, whatever becomes of the operation that reads it."""
    return len(value.users) > 1 or _keeps_result(value)


def _dense_pool(pool: nn.Module, x: Tensor) -> Tensor:
    if isinstance(pool, nn.AvgPool2d):
        return x
    return dense_max_pool2d(x, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)


class _Measured(NamedTuple):
    """Multiply-adds of a function of a map, and how many numbers it keeps, of its input and beside it."""

    macs: int
    of_input: int
    beside: int


def _measure(function: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> _Measured:
    """Run a function on a map that has no values, and count."""
    x, kept = torch.empty(shape, device='meta', requires_grad=True), {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes() // x.element_size()
        return tensor

    with torch.enable_grad(), FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda it: it):
        function(x)
    of_input = kept.pop(x.untyped_storage()._cdata, 0)
    return _Measured(counter.get_total_flops() // 2, of_input, sum(kept.values()))
