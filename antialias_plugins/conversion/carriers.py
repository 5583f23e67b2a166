"""Which existing module carries a filter, so that no module of the network changes its name.

A filter needs a module to hang on: its child ``aa``. Any module can carry one whose single call starts (``'pre'``) or
ends (``'post'``) exactly where the filter belongs. A normalisation never does: SyncBN conversion, BN freezing and
conv-BN fusion replace it, and would drop the filter without a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.utils import parametrize

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.graph import Call, Graph, Node
from antialias_plugins.conversion.placement import Run

Mode = Literal['pre', 'post', 'slot', 'pool']


@dataclass(frozen=True)
class Carrier:
    """A module that can hold the filter, and how.

    Attributes:
        name: fully qualified name of the module.
        module: the module.
        mode: ``'pre'`` filters its input, ``'post'`` its output, ``'slot'`` takes the place of an empty ``aa``,
            ``'pool'`` replaces the subsampling of a pool.
        channels: channels of the map that is filtered.
    """

    name: str
    module: nn.Module
    mode: Mode
    channels: int


def find_carrier(graph: Graph, run: Run) -> Carrier | str:
    """The first module that fits, from the most to the least explicit; or why there is none."""
    for carrier in _candidates(graph, run):
        if _is_free(graph, carrier):
            return carrier
    value = run.values[-1 if run.activated is None else run.activated]
    readers = ', '.join(user.name for user in value.users) or 'nothing'
    return (
        f'no module starts or ends where its filter belongs, behind {value.name} in {value.scope or "the network"} '
        f'(used more than once, or read by {readers})'
    )


def carry_itself(graph: Graph, pool: Node) -> Carrier | str:
    """A pool as the carrier of its own filter, or why it cannot be."""
    carrier = Carrier(pool.name, pool.module, 'pool', pool.inputs[0].shape[1])
    return carrier if _is_free(graph, carrier) else 'its forward is hidden by another'


def _candidates(graph: Graph, run: Run) -> Iterator[Carrier]:
    if run.activated is None:
        yield from _linear(run)
        return
    behind = run.values[run.activated :]
    yield from (_carry(v, 'slot') for v in behind[1:] if v.module and v.name.rpartition('.')[2] == 'aa')
    producer = behind[0]
    if producer.kind == 'module':
        yield _carry(producer, 'post')
    yield from _consumers(behind)
    yield from _composites(graph, producer)


def _linear(run: Run) -> Iterator[Carrier]:
    """No activation follows: a 1×1 convolution commutes with the filter, so the cheap order is to filter first."""
    root = run.root
    pointwise = ops.pair(root.module.kernel_size) == (1, 1)
    if pointwise and len(root.inputs) == 1 and root.inputs[0].shape:
        yield Carrier(root.name, root.module, 'pre', root.inputs[0].shape[1])
    else:
        yield _carry(root, 'post')


def _consumers(values: tuple[Node, ...]) -> Iterator[Carrier]:
    """The one module that reads the value."""
    for value in values:
        reader = value.users[0] if value.passes_on else None
        if reader and reader.kind == 'module' and len(reader.inputs) == 1 and reader.role in (ops.CONV, ops.OTHER):
            yield Carrier(reader.name, reader.module, 'pre', value.shape[1])


def _composites(graph: Graph, value: Node) -> Iterator[Carrier]:
    """A block that returns exactly this value, or one that receives it and holds everything that reads it."""
    for call in graph.calls:
        if (
            call.gives_map
            and call.outputs == [value]
            and call.contains(value)
            and not any(map(call.contains, value.users))
        ):
            yield from _block(call, 'post', value)
    for call in graph.calls:
        received = call.takes_map and call.inputs == [value]
        if received and value.users and all(map(call.contains, value.users)) and not value.is_output:
            yield from _block(call, 'pre', value)


def _block(call: Call, mode: Mode, value: Node) -> Iterator[Carrier]:
    # a child of a Sequential runs as one more of its steps, and the root has no name to report
    if call.name and not isinstance(call.module, (nn.Sequential, nn.ModuleList)):
        yield Carrier(call.name, call.module, mode, value.shape[1])


def _carry(node: Node, mode: Mode) -> Carrier:
    return Carrier(node.name, node.module, mode, node.shape[1])


def _is_free(graph: Graph, carrier: Carrier) -> bool:
    module = carrier.module
    hides_a_forward = 'forward' in vars(module) or parametrize.is_parametrized(module)
    if not graph.runs_once(module) or hides_a_forward or ops.is_norm(module):
        return False
    if carrier.mode == 'slot':
        return type(module) is nn.Identity and not module._forward_hooks and not module._forward_pre_hooks
    return not hasattr(module, 'aa')
