"""The dataflow of one forward pass, as a graph of the modules and functions that ran."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from torch import nn


@dataclass(eq=False)
class Node:
    """One operation of the forward pass, or the network's input.

    Attributes:
        index: position in the order of execution.
        kind: ``'input'``, ``'module'`` (a module that was not looked into) or ``'function'`` (a call of torch in a
            module's own ``forward``).
        name: fully qualified name of the module, or the name of the function.
        scope: fully qualified name of the module in whose ``forward`` it ran.
        role: what it does to a map; see :mod:`antialias_plugins.conversion.operators`.
        module: the module, for ``kind='module'``.
        inputs: the nodes whose results it read.
        users: the nodes that read its result.
        shape: shape of its (first) result.
        is_output: whether its result leaves the network.
        grid: for a downsampling module, where its result lies on the one at stride 1; see
            :func:`antialias_plugins.conversion.operators.dense_grid`.
        strides: whether a function that convolves or pools was called with a stride.
    """

    index: int
    kind: Literal['input', 'module', 'function']
    name: str
    scope: str
    role: str
    module: nn.Module | None = None
    inputs: list['Node'] = field(default_factory=list)
    users: list['Node'] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    is_output: bool = False
    grid: str | None = 'aligned'
    strides: bool = False

    @property
    def passes_on(self) -> bool:
        """Whether exactly one operation of the network reads the result, and nobody else."""
        return len(self.users) == 1 and not self.is_output


@dataclass(eq=False)
class Call:
    """One call of a composite module: what it received and returned, and the span of nodes that ran inside it.

    Attributes:
        name: fully qualified name of the module.
        module: the module.
        first: index of the first node inside.
        inputs: the nodes whose results it received.
        takes_map: whether its first argument is a tensor, not a list that holds one.
        last: index behind the last node inside.
        outputs: the nodes whose results it returned.
        gives_map: whether it returned a tensor.
    """

    name: str
    module: nn.Module
    first: int
    inputs: list[Node]
    takes_map: bool
    last: int = -1
    outputs: list[Node] = field(default_factory=list)
    gives_map: bool = False

    def contains(self, node: Node) -> bool:
        """Whether the node ran inside this call."""
        return self.first <= node.index < self.last


@dataclass(eq=False)
class Graph:
    """A traced forward pass: its operations in the order of execution, and the calls of composite modules."""

    nodes: list[Node] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    call_counts: dict[nn.Module, int] = field(default_factory=dict)
    output_shapes: tuple[tuple[int, ...], ...] = ()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def runs_once(self, module: nn.Module | None) -> bool:
        """Whether the module was called exactly once, so that changing it changes one place."""
        return module is not None and self.call_counts.get(module, 0) == 1
