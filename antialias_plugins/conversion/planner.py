"""Decide what to do at every place of a traced network; nothing is changed here."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.carriers import Carrier, carry_itself, find_carrier
from antialias_plugins.conversion.dilation import dilated_roots
from antialias_plugins.conversion.graph import Graph, Node
from antialias_plugins.conversion.placement import Run, follow, has_conv_ancestor, has_strided_ancestor
from antialias_plugins.conversion.plan import AntialiasPlan, LeftAlone, Site
from antialias_plugins.layers.pool import PoolFactory

# A convolution that strides by more embeds patches or reduces attention: made dense, it would cost stride² as much.
MAX_STRIDE = 2


@dataclass(frozen=True)
class Options:
    """The options of a conversion; see :func:`antialias_plugins.convert_antialias`."""

    stem: bool = False
    maxpool: str = 'keep'
    avgpool: str = 'replace'
    dilated: str = 'skip'
    skip: Iterable[str] | Callable[[str, nn.Module], bool] = ()
    extra: Iterable[str] = ()

    def __post_init__(self) -> None:
        _one_of('maxpool', self.maxpool, 'keep', 'published')
        _one_of('avgpool', self.avgpool, 'replace', 'keep')
        _one_of('dilated', self.dilated, 'skip', 'blur')
        for name in ('skip', 'extra'):
            if isinstance(getattr(self, name), str):
                raise ValueError(f'{name} must be a list of name patterns, got the string {getattr(self, name)!r}')
        if not callable(self.skip):
            object.__setattr__(self, 'skip', tuple(self.skip))
        object.__setattr__(self, 'extra', tuple(self.extra))


def make_plan(model: nn.Module, graph: Graph, pool: PoolFactory, options: Options) -> AntialiasPlan:
    """Plan the conversion of ``model``, whose forward pass is ``graph``."""
    return _Planner(model, graph, pool, options).run()


@dataclass(eq=False)
class _Planner:
    model: nn.Module
    graph: Graph
    pool: PoolFactory
    options: Options
    sites: list[tuple[int, Site]] = field(default_factory=list)
    skipped: list[LeftAlone] = field(default_factory=list)
    unsupported: list[LeftAlone] = field(default_factory=list)
    carried: set[str] = field(default_factory=set)

    def run(self) -> AntialiasPlan:
        roots = [node for node in self.select() if self.is_possible(node)]
        for node in roots:
            if node.role != ops.CONV:
                self.place(Run((node,), ops.stride_of(node.module), (node,)), carry_itself(self.graph, node))
        for run in follow(self.graph, {node for node in roots if node.role == ops.CONV}):
            self.place(run, find_carrier(self.graph, run))
        self.report_the_rest()
        ordered = tuple(site for _, site in sorted(self.sites, key=lambda item: item[0]))
        name = type(self.model).__name__
        return AntialiasPlan(name, str(self.pool), ordered, tuple(self.skipped), tuple(self.unsupported))

    def select(self) -> Iterator[Node]:
        """The downsampling modules that are to be filtered."""
        extra, skip = self.extra_names(), self.skip_names()
        below_stride, below_conv = has_strided_ancestor(self.graph), has_conv_ancestor(self.graph)
        seen: set[nn.Module] = set()
        for node in self.graph:
            is_root = node.role in (ops.CONV, ops.MAX_POOL, ops.AVG_POOL) and node.module not in seen
            if not is_root or (ops.stride_of(node.module) == (1, 1) and node.name not in extra):
                continue
            seen.add(node.module)
            reason = 'skip asks for it' if node.name in skip else None
            if reason is None and node.name not in extra:
                reason = self.reason_to_leave(node, node in below_stride, node in below_conv)
            if reason is None:
                yield node
            else:
                self.skipped.append(LeftAlone(node.name, reason))

    def reason_to_leave(self, node: Node, below_stride: bool, below_conv: bool) -> str | None:
        stride = max(ops.stride_of(node.module))
        if node.role == ops.CONV and not below_stride:
            return None if self.options.stem else 'the first downsampling convolution (stem=True filters it too)'
        if node.role == ops.CONV and stride > MAX_STRIDE:
            return f'stride {stride}: made dense it would cost {stride**2} times as much (extra=[...] insists)'
        if node.role != ops.CONV and not below_conv:
            return 'pools the image itself'
        kernel = max(ops.pair(node.module.kernel_size)) if node.role == ops.AVG_POOL else 0
        return f'context pooling over {kernel} pixels' if kernel > stride + 1 else None

    def is_possible(self, node: Node) -> bool:
        module, reason = node.module, None
        if not self.graph.runs_once(module):
            reason = f'runs {self.graph.call_counts[module]} times in one forward pass'
        elif not node.stride_is_free:
            reason = 'its padding depends on its stride, or it does more than its base class'
        elif getattr(module, 'return_indices', False):
            reason = 'returns indices'
        elif len(node.inputs) != 1 or len(node.inputs[0].shape) != 4:
            reason = 'does not read one map of shape (N, C, H, W)'
        if reason:
            self.reject(node.name, module, reason)
        return reason is None

    def place(self, run: Run, carrier: Carrier | str) -> None:
        """Turn a run and its carrier into a site."""
        root, names = run.root, tuple(node.name for node in run.roots)
        if isinstance(carrier, Carrier) and carrier.name in self.carried:
            carrier = f'{carrier.name} carries another filter already'
        if isinstance(carrier, Carrier):
            carrier = self.try_layer(carrier, run.stride) or carrier
        if isinstance(carrier, str):
            self.reject(' + '.join(names), root.module, carrier)
            return
        self.carried.add(carrier.name)
        site = Site(
            names, root.role, run.stride, carrier.channels, carrier.name, carrier.mode, str(self.pool), _note(run)
        )
        self.sites.append((root.index, site))

    def try_layer(self, carrier: Carrier, stride: tuple[int, int]) -> str | None:
        """Build the filter once, to learn now whether it can be built."""
        try:
            with torch.random.fork_rng(devices=[]):
                self.pool(carrier.channels, stride)
        except ValueError as error:
            return f'{self.pool} does not fit: {error}'
        return None

    def reject(self, name: str, module: nn.Module, reason: str) -> None:
        self.unsupported.append(
            LeftAlone(f'{name} ({type(module).__name__})', f'{reason}; skip=[...] leaves it as it is')
        )

    def report_the_rest(self) -> None:
        """Whatever else makes the map smaller: nothing is passed over in silence."""
        handled = (ops.CONV, ops.MAX_POOL, ops.AVG_POOL)
        for node in self.graph:
            if node.role in handled or not node.inputs or not _shrinks(node.inputs[0], node):
                continue
            if node.kind == 'module' and not type(node.module).__module__.startswith('torch.nn.'):
                where = f'{node.name} ({type(node.module).__name__})'
                reason = 'makes the map smaller by an operation that cannot be looked into'
                self.unsupported.append(LeftAlone(where, reason))
                continue
            where = node.name if node.kind == 'module' else f'{node.name} in {node.scope or "the network"}'
            if node.name in ops.FUNCTIONAL_DOWNSAMPLING:
                self.unsupported.append(LeftAlone(where, 'a function, not a module, does the striding'))
            else:
                self.skipped.append(LeftAlone(where, 'reduces the map without a strided convolution or pool'))

    def extra_names(self) -> set[str]:
        known = {n.name for n in self.graph if n.role in (ops.CONV, ops.MAX_POOL, ops.AVG_POOL)}
        names = set(dilated_roots(self.model)) & known if self.options.dilated == 'blur' else set()
        return names | _matching('extra', self.options.extra, known)

    def skip_names(self) -> set[str]:
        candidates = {n.name: n.module for n in self.graph if n.role in (ops.CONV, ops.MAX_POOL, ops.AVG_POOL)}
        if callable(self.options.skip):
            return {name for name, module in candidates.items() if self.options.skip(name, module)}
        return _matching('skip', self.options.skip, set(candidates))


def _one_of(argument: str, value: object, *allowed: str) -> None:
    if value not in allowed:
        raise ValueError(f'{argument} must be {" or ".join(map(repr, allowed))}, got {value!r}')


def _matching(argument: str, patterns: Iterable[str], names: set[str]) -> set[str]:
    matches: set[str] = set()
    for pattern in patterns:
        found = {name for name in names if fnmatchcase(name, pattern)}
        if not found:
            raise ValueError(f'{argument} must name convolutions or pools of the network, {pattern!r} matches none')
        matches |= found
    return matches


def _note(run: Run) -> str:
    names = ', '.join(node.name or node.scope for node in run.statistics)
    return f'{names}: statistics of the denser map' if names else ''


def _shrinks(source: Node, node: Node) -> bool:
    """Whether a map of more than one pixel comes out at three quarters of its size or less."""
    if len(source.shape) != 4 or len(node.shape) != 4:
        return False
    return 1 < node.shape[-1] <= 0.75 * source.shape[-1] and 1 < node.shape[-2] <= 0.75 * source.shape[-2]
