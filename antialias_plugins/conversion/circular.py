"""Circular padding of every convolution and pool: what a network needs to commute with circular shifts exactly."""

from collections.abc import Collection, Iterator

from torch import nn

from antialias_plugins.conversion import attach
from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.trace import Graph, Node


def obstacles(graph: Graph, replaced: Collection[str], with_convs: bool) -> Iterator[tuple[Node, str]]:
    """The places whose padding cannot be made circular, with the reason, but for average pools that filters replace.

    Convolutions, and functions that only pad, are among them or not (`with_convs`).
    """
    functions = ('max_pool2d', 'avg_pool2d', *(('pad', 'conv2d') if with_convs else ()))
    for node in graph:
        if node.kind == 'function' and node.name in functions and max(node.shape[-2:]) > 1:
            yield node, 'a function, not a module, meets the border'
    for node in _windows(graph):
        if node.role == ops.AVG_POOL and node.name not in replaced and max(node.shape[-2:]) > 1:
            yield node, 'averages beyond the border'
        elif node.role == ops.MAX_POOL and node.grid == ops.SAME:
            yield node, 'pads by its stride'
        elif with_convs and node.role == ops.CONV and not _can_wrap(node.module):
            yield node, 'does not wrap around with padding_mode="circular", or keeps no result for its border'


def wrap_around(graph: Graph, attached: Collection[str], with_convs: bool = True) -> None:
    """Make all padding circular that can be, or that of pools alone.

    Pools on which a filter is to hang (`attached`) wrap around by themselves when they get it.
    """
    for node in _windows(graph):
        if with_convs and node.role == ops.CONV and _can_wrap(node.module):
            attach.override(node.module, padding_mode='circular')
        elif node.role == ops.MAX_POOL and node.name not in attached:
            attach.wrap_around(node.module)


def _windows(graph: Graph) -> Iterator[Node]:
    """The convolutions and pools that look at more than one pixel, each once."""
    seen: set[nn.Module | None] = set()
    for node in graph:
        is_window = node.kind == 'module' and node.role in (ops.CONV, ops.MAX_POOL, ops.AVG_POOL)
        if is_window and node.module not in seen and max(ops.pair(node.module.kernel_size)) > 1:
            seen.add(node.module)
            yield node


def _can_wrap(conv: nn.Module) -> bool:
    """Whether it commutes with circular shifts, at stride 1, once its padding mode says so."""
    if not hasattr(conv, 'padding_mode'):
        return False
    reaches = ops.reaches(conv)
    if type(conv).forward is nn.Conv2d.forward:
        return conv.padding == 'same' or [2 * p for p in ops.pair(conv.padding)] == reaches
    x = ops.scattered(conv.weight.new_empty(1, conv.in_channels, *(2 * reach + 3 for reach in reaches)))
    mode, conv.padding_mode = conv.padding_mode, 'circular'
    try:
        still, moved = ops.at_stride_1(conv, x), ops.at_stride_1(conv, x.roll((1, 2), (-2, -1)))
    finally:
        conv.padding_mode = mode
    return still.shape[-2:] == x.shape[-2:] and ops.is_close(moved, still.roll((1, 2), (-2, -1)))
