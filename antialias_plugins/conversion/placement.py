"""Where on the dataflow graph the filter of each downsampling operation belongs, and which module it hangs on there.

The rule is Zhang's (https://arxiv.org/abs/1904.11486): compute densely, filter right after the activation, and
subsample there. So a strided convolution is made dense, and its dense result is followed to the first activation.

A filter needs a module to hang on, as its child ``aa``, so that no module of the network changes its name. Any module
is an attachment point whose single call starts (``'pre'``) or ends (``'post'``) exactly where the filter belongs. A
normalisation never is: SyncBN conversion, BN freezing and conv-BN fusion replace it, and would drop the filter without
a word.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.utils import parametrize

from antialias_plugins.conversion import attach
from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.trace import Call, Graph, Node

_PIXELWISE = (
    *(ops.ACTIVATION, ops.IDENTITY, ops.AFFINE, ops.PRODUCT, ops.JOIN),
    *(ops.CHANNELS, ops.NORM, ops.TO_LAST, ops.TO_FIRST),
)
_FUSED_FORWARDS = ('forward_fuse', 'fuseforward')  # what ultralytics and YOLOv7 call it
_REGION = 24  # operations: a norm written by hand takes about ten

Mode = Literal['pre', 'post', 'slot', 'pool']


@dataclass(eq=False)
class Run:
    """A dense result on its way forward, from the downsampling operations to the place of their common filter.

    Attributes:
        roots: the operations whose stride the filter takes over; several when parallel branches join.
        values: the nodes that hold the dense result, the last one last.
        activated: position in ``values`` of the activation; None while none has been met.
        parts: the runs that were joined into this one.
        statistics: norms on the way that take their statistics from the map at hand.
    """

    roots: tuple[Node, ...]
    stride: tuple[int, int]
    values: tuple[Node, ...]
    activated: int | None = None
    parts: tuple['Run', ...] = ()
    statistics: tuple[Node, ...] = ()

    def advance(self, node: Node) -> 'Run | None':
        """The run one operation further, or None if the filter has to come before it."""
        if self.activated is not None and node.role not in (ops.IDENTITY, ops.AFFINE):
            return None
        statistics = (*self.statistics, node) if _takes_statistics(node) else self.statistics
        return self._to(node, node.role == ops.ACTIVATION, statistics)

    def skip(self, region: Sequence[Node]) -> 'Run | None':
        """The run behind a region that works pixel by pixel: an activation if it is not linear, and no norm."""
        if self.activated is not None:
            return None
        roles = {node.role for node in region}
        is_curved = ops.ACTIVATION in roles or any(it.role == ops.PRODUCT and len(it.inputs) > 1 for it in region)
        return self._to(region[-1], is_curved and not roles & {ops.CHANNELS, ops.NORM}, self.statistics)

    def _to(self, node: Node, activates: bool, statistics: tuple[Node, ...]) -> 'Run':
        activated = len(self.values) if activates else self.activated
        return Run(self.roots, self.stride, (*self.values, node), activated, self.parts, statistics)


def follow(graph: Graph, roots: Collection[Node]) -> list[Run]:
    """Follow the dense result of every convolution in ``roots`` to where its filter belongs.

    Returns:
        One run for each filter. Its last value is the activation (and identities behind it), or, for a linear branch,
        whatever comes before the sum it leads to.
    """
    running: dict[Node, Run] = {}
    for node in graph:
        if node in roots:
            running[node] = Run((node,), ops.stride_of(node.module), (node,))
        elif node.role in (ops.NORM, ops.ACTIVATION, ops.IDENTITY, ops.AFFINE):
            _advance(running, node)
        elif node.role == ops.JOIN:
            _join(running, node)
        region = _region(graph, node) if node in running else None
        further = running[node].skip(region) if region else None
        if further:
            del running[node]
            running[region[-1]] = further
    return list(_settle(running.values()))


def _advance(running: dict[Node, Run], node: Node) -> None:
    source = node.inputs[0] if len(node.inputs) == 1 else None
    run = running.get(source) if source is not None and source.passes_on else None
    further = run.advance(node) if run else None
    if further:
        del running[source]
        running[node] = further


def _region(graph: Graph, value: Node) -> list[Node] | None:
    """The fewest operations behind a value that work pixel by pixel, and hand on one result: ``x * sigmoid(x)``."""
    inside, is_last = [value], False
    if value.is_output or (value.passes_on and value.users[0].role != ops.TO_LAST):
        return None
    for node in graph.nodes[value.index + 1 : value.index + 1 + _REGION]:
        reads = [source in inside for source in node.inputs]
        if not any(reads):
            continue
        is_local = (
            node.role in _PIXELWISE and not _takes_statistics(node) and not (is_last and node.role == ops.CHANNELS)
        )
        if not all(reads) or not is_local or inside[-1].is_output:
            return None
        is_last = node.role == ops.TO_LAST or (is_last and node.role != ops.TO_FIRST)
        inside.append(node)
        if not is_last and all(user in inside for it in inside[:-1] for user in it.users):
            return inside[1:]
    return None


def _join(running: dict[Node, Run], node: Node) -> None:
    """A sum or concatenation of dense results is dense, if all of them are, at one stride."""
    if not all(source.passes_on and source in running for source in node.inputs):
        return
    parts = [running[source] for source in node.inputs]
    if len(parts) < 2 or any(p.activated is not None or p.stride != parts[0].stride for p in parts):
        return
    roots = tuple(root for part in parts for root in part.roots)
    running[node] = Run(roots, parts[0].stride, (node,), parts=tuple(parts))
    for source in node.inputs:
        del running[source]


def merge(graph: Graph, runs: Collection[Run]) -> list[Run]:
    """Join activated runs, and poolings beside them, where all of what a sum or concatenation reads is dense.

    The filter is linear and works on each channel by itself, so one filter behind the join does what one before each
    branch would do. It is for branches that have no module to carry a filter of their own, as in Res2Net. A join may
    read another one; the ``parts`` of both are runs of ``runs``.
    """
    leaves = {run: (run,) for run in runs}
    ends = {run.values[-1]: run for run in runs if run.values[-1].passes_on}
    for node in graph:
        joined = [ends[source] for source in node.inputs if source in ends]
        is_dense = node.role == ops.JOIN and len(joined) == len(node.inputs) > 1
        if is_dense and all(run.stride == joined[0].stride for run in joined):
            parts = tuple(leaf for run in joined for leaf in leaves[run])
            roots = sorted((root for part in parts for root in part.roots), key=lambda root: root.role != ops.CONV)
            values = [node]
            while values[-1].passes_on and values[-1].users[0].role == ops.IDENTITY:
                values.append(values[-1].users[0])
            merged = Run(tuple(roots), joined[0].stride, tuple(values), activated=0, parts=parts)
            leaves[merged] = parts
            ends[values[-1]] = merged
    return [run for run in leaves if run not in runs]


def _settle(runs: Iterable[Run]) -> Iterable[Run]:
    """A join that no activation follows was not worth it: back to its branches."""
    for run in runs:
        if run.parts and run.activated is None:
            yield from _settle(run.parts)
        else:
            yield run


def _takes_statistics(node: Node) -> bool:
    """Whether a normalisation computes its statistics from the map at hand, in eval mode too."""
    if node.role != ops.NORM or node.kind == 'function':
        return node.role == ops.NORM and node.name not in ('batch_norm', 'layer_norm')
    has_its_own = isinstance(node.module, nn.modules.batchnorm._BatchNorm) and node.module.track_running_stats
    return not has_its_own and not isinstance(node.module, nn.LayerNorm)


def descendants(graph: Graph, ancestors: Collection[Node]) -> set[Node]:
    """The nodes that one of some others comes before."""
    below: set[Node] = set()
    for node in graph:
        if any(source in below or source in ancestors for source in node.inputs):
            below.add(node)
    return below


@dataclass(frozen=True)
class AttachmentPoint:
    """A module that can hold the filter, and how, as in `plan.Site`; ``channels`` are those of the filtered map."""

    name: str
    module: nn.Module
    mode: Mode
    channels: int


def find_point(graph: Graph, run: Run) -> AttachmentPoint | str:
    """The first module that fits, from the most to the least explicit; or why there is none.

    Where a module is used in many places, as an activation may be, or a function has many readers, the convolution
    itself holds the filter, before the activation.
    """
    points = list(_candidates(graph, run))
    for point in points:
        if _is_free(graph, point):
            return point
    hidden = next(
        (point for point in points if has_hidden_forward(point.module) and not ops.is_norm(point.module)), None
    )
    if hidden is None and run.activated is not None and len(run.roots) == 1:
        early = _at(run.roots[0], 'post', run.roots[0])
        if _is_free(graph, early):
            return early
    value = run.values[-1 if run.activated is None else run.activated]
    readers = ', '.join(user.name for user in value.users) or 'nothing'
    where = f'behind {value.name} in {value.scope or "the network"}'
    if hidden:
        return (
            f'no module starts or ends where its filter belongs, {where}, but {hidden.name}, whose forward something '
            'else has replaced: undo that, convert, and do it again'
        )
    return f'no module starts or ends where its filter belongs, {where} (used more than once, or read by {readers})'


def is_early(run: Run, point: AttachmentPoint) -> bool:
    """Whether the filter comes before an activation that the run goes on to."""
    return run.activated is not None and point.module is run.roots[0].module and point.mode == 'post'


def unknown_reader(run: Run) -> Node | None:
    """What reads the end of a run that met no activation, and may be one: it keeps the shape and reads nothing else."""
    value = run.values[-1]
    kept = [it for it in value.users if it.role == ops.OTHER and it.shape == value.shape and it.inputs == [value]]
    return next((it for it in kept if not (it.module and ops.is_conv(it.module))), None)


def _candidates(graph: Graph, run: Run) -> Iterator[AttachmentPoint]:
    root = run.roots[0]
    if root.role != ops.CONV:  # its own filter hangs on a pool
        yield _at(root, 'pool', root.inputs[0])
    elif run.activated is None:
        if ops.pair(root.module.kernel_size) == (1, 1):
            yield _at(root, 'pre', root.inputs[0])  # it commutes with the filter: the cheap order is to filter first
        yield _at(root, 'post', root)
        yield from _composites(graph, run.values[-1])
    else:
        behind = run.values[run.activated :]
        yield from (_at(v, 'slot', v) for v in behind[1:] if v.module and v.name.rpartition('.')[2] == 'aa')
        if behind[0].kind == 'module':
            yield _at(behind[0], 'post', behind[0])
        yield from _consumers(behind)
        for value in behind:
            yield from _composites(graph, value)


def _consumers(values: tuple[Node, ...]) -> Iterator[AttachmentPoint]:
    """The one module that reads the value."""
    for value in values:
        reader = value.users[0] if value.passes_on else None
        if reader and reader.kind == 'module' and len(reader.inputs) == 1 and reader.role in (ops.CONV, ops.OTHER):
            yield _at(reader, 'pre', value)


def _composites(graph: Graph, value: Node) -> Iterator[AttachmentPoint]:
    """A block that returns exactly this value, or one that receives it and holds everything that reads it."""
    # a child of a Sequential runs as one more of its steps, and the root has no name to report
    calls = [call for call in graph.calls if call.name and not isinstance(call.module, (nn.Sequential, nn.ModuleList))]
    for call in calls:
        returns = call.gives_map and call.outputs == [value] and call.contains(value)
        if returns and not any(map(call.contains, value.users)):
            yield _at(call, 'post', value)
    for call in calls:
        receives = call.takes_map and call.inputs == [value] and not value.is_output
        if receives and value.users and all(map(call.contains, value.users)):
            yield _at(call, 'pre', value)


def _at(place: Node | Call, mode: Mode, filtered: Node) -> AttachmentPoint:
    return AttachmentPoint(place.name, place.module, mode, filtered.shape[1])


def _is_free(graph: Graph, point: AttachmentPoint) -> bool:
    module = point.module
    is_adapter = hasattr(module, 'base_layer')  # as PEFT wraps a layer in; its merged weights go back without it
    is_rebuilt = ops.is_norm(module) or is_adapter or (ops.is_conv(module) and _fuses(graph, point.name))
    if not graph.runs_once(module) or has_hidden_forward(module) or is_rebuilt:
        return False
    if point.mode == 'slot':
        return type(module) is nn.Identity and not module._forward_hooks and not module._forward_pre_hooks
    return not hasattr(module, 'aa')


def _fuses(graph: Graph, name: str) -> bool:
    """Whether a module's host may put one convolution in the place of its convolution and its norm later."""
    parent = name.rpartition('.')[0]
    return any(call.name == parent and hasattr(call.module, it) for call in graph.calls for it in _FUSED_FORWARDS)


def has_hidden_forward(module: nn.Module) -> bool:
    """Whether the forward of its class is not what runs: a host has set another on the instance, or its parameters."""
    forward = vars(module).get('forward')
    is_hidden = forward is not None and not attach.is_other_forward(module, forward)
    return is_hidden or parametrize.is_parametrized(module)
