"""Decide what to do at every place of a traced network; nothing is changed here."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.carriers import Carrier, carry_itself, find_carrier
from antialias_plugins.conversion.circular import obstacles
from antialias_plugins.conversion.dilation import dilated_roots
from antialias_plugins.conversion.graph import Graph, Node
from antialias_plugins.conversion.placement import Run, follow, has_conv_ancestor, has_strided_ancestor, merge
from antialias_plugins.conversion.plan import AntialiasPlan, LeftAlone, Site
from antialias_plugins.layers.pool import Pool, PoolFactory, resolve_pool
from antialias_plugins.utils import matching_names

# A convolution that strides by more embeds patches or reduces attention: made dense, it would cost stride² as much.
MAX_STRIDE = 2

_ROOTS = (ops.CONV, ops.MAX_POOL, ops.AVG_POOL)
_PLACES = 'convolutions or pools'


@dataclass(frozen=True)
class Options:
    """The options of a conversion; see :func:`antialias_plugins.convert_antialias`."""

    stem: bool | Pool = False
    maxpool: str = 'keep'
    avgpool: str = 'replace'
    dilated: str = 'skip'
    padding: str = 'keep'
    skip: Iterable[str] | Callable[[str, nn.Module], bool] = ()
    extra: Iterable[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.stem, bool):
            object.__setattr__(self, 'stem', resolve_stem(self.stem))
        _one_of('maxpool', self.maxpool, 'keep', 'published')
        _one_of('avgpool', self.avgpool, 'replace', 'keep', 'published')
        _one_of('dilated', self.dilated, 'skip', 'blur')
        _one_of('padding', self.padding, 'keep', 'pools', 'circular')
        for name in ('skip', 'extra'):
            if isinstance(getattr(self, name), str):
                raise ValueError(f'{name} must be a list of name patterns, got the string {getattr(self, name)!r}')
        if not callable(self.skip):
            object.__setattr__(self, 'skip', tuple(self.skip))
        object.__setattr__(self, 'extra', tuple(self.extra))

    def pool_at(self, is_stem: bool, pool: PoolFactory) -> PoolFactory:
        """The filter of a place: that of all others, unless the stem has one of its own."""
        return self.stem if is_stem and isinstance(self.stem, PoolFactory) else pool


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
    stems: set[Node] = field(default_factory=set)

    def run(self) -> AntialiasPlan:
        roots = [node for node in self.select() if self.is_possible(node)]
        pools = [Run((node,), ops.stride_of(node.module), (node,)) for node in roots if node.role != ops.CONV]
        runs = follow(self.graph, {node for node in roots if node.role == ops.CONV})
        for run, carrier in self.with_carriers(pools, runs):
            self.place(run, carrier)
        self.report_the_rest()
        self.report_borders()
        ordered = tuple(site for _, site in sorted(self.sites, key=lambda item: item[0]))
        name = type(self.model).__name__
        return AntialiasPlan(name, str(self.pool), ordered, tuple(self.skipped), tuple(self.unsupported))

    def with_carriers(self, pools: list[Run], runs: list[Run]) -> Iterator[tuple[Run, Carrier | str]]:
        """Every run with the module that carries its filter, or with the reason why there is none."""
        found = {pool: carry_itself(self.graph, pool.root) for pool in pools}
        found |= {run: find_carrier(self.graph, run) for run in runs}
        stuck = [run for run in runs if isinstance(found[run], str)]
        for merged in merge(self.graph, [*stuck, *pools]) if stuck else ():
            carrier = find_carrier(self.graph, merged)
            if isinstance(carrier, Carrier) and any(part in stuck for part in merged.parts):
                found = {run: it for run, it in found.items() if run not in merged.parts} | {merged: carrier}
        yield from found.items()

    def select(self) -> Iterator[Node]:
        """The downsampling modules that are to be filtered."""
        extra, skip = self.extra_names(), self.skip_names()
        below_stride, below_conv = has_strided_ancestor(self.graph), has_conv_ancestor(self.graph)
        seen: set[nn.Module] = set()
        for node in self.graph:
            is_root = node.role in _ROOTS and node.module not in seen
            if not is_root or (ops.stride_of(node.module) == (1, 1) and node.name not in extra):
                continue
            seen.add(node.module)
            if node.role == ops.CONV and ops.stride_of(node.module) != (1, 1) and node not in below_stride:
                self.stems.add(node)
            reason = 'skip asks for it' if node.name in skip else None
            if reason is None and node.name not in extra:
                reason = self.reason_to_leave(node, node in below_conv)
            if reason is None:
                yield node
            else:
                self.skipped.append(LeftAlone(node.name, reason))

    def reason_to_leave(self, node: Node, below_conv: bool) -> str | None:
        stride = max(ops.stride_of(node.module))
        if node in self.stems:
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
        elif node.grid is None:
            reason = 'its own forward cannot be made dense: it pads by its stride, or does more than its base class'
        elif getattr(module, 'return_indices', False):
            reason = 'returns indices'
        elif len(node.inputs) != 1 or len(node.inputs[0].shape) != 4:
            reason = 'does not read one map of shape (N, C, H, W)'
        if reason:
            self.reject(node.name, module, reason)
        return reason is None

    def place(self, run: Run, carrier: Carrier | str) -> None:
        """Turn a run and its carrier into a site."""
        root, names, is_stem = run.root, tuple(node.name for node in run.roots), run.root in self.stems
        pool = self.options.pool_at(is_stem, self.pool)
        if isinstance(carrier, Carrier) and carrier.name in self.carried:
            carrier = f'{carrier.name} carries another filter already'
        if isinstance(carrier, Carrier):
            carrier = _try_layer(pool, carrier, run.stride) or carrier
        if isinstance(carrier, str):
            self.reject(' + '.join(names), root.module, carrier)
            return
        self.carried.add(carrier.name)
        same = tuple(node.name for node in run.roots if node.grid == ops.SAME)
        filtered = carrier.channels, carrier.name, carrier.mode
        site = Site(names, root.role, run.stride, *filtered, str(pool), _note(run), same, is_stem)
        self.sites.append((root.index, site))

    def reject(self, name: str, module: nn.Module, reason: str) -> None:
        self.unsupported.append(
            LeftAlone(f'{name} ({type(module).__name__})', f'{reason}; skip=[...] leaves it as it is')
        )

    def report_the_rest(self) -> None:
        """Whatever else makes the map smaller: nothing is passed over in silence."""
        skip = self.skip_names()
        for node in self.graph:
            if node.role in _ROOTS or not (node.strides if _is_functional(node) else _shrinks(node)):
                continue
            if _is_functional(node) and node.name != 'avg_pool2d' and _place(node) not in skip:
                reason = 'a function, not a module, does the striding; skip=[...] leaves it as it is'
                self.unsupported.append(LeftAlone(_place(node), reason))
            elif node.kind == 'module' and not type(node.module).__module__.startswith('torch.nn.'):
                where = f'{node.name} ({type(node.module).__name__})'
                reason = 'makes the map smaller by an operation that cannot be looked into'
                self.unsupported.append(LeftAlone(where, reason))
            else:
                self.skipped.append(LeftAlone(_place(node), _why_left(node)))

    def report_borders(self) -> None:
        """With circular padding, the borders that cannot be."""
        padding = self.options.padding
        if padding == 'keep':
            return
        replaced = () if self.options.avgpool == 'keep' else {name for _, site in self.sites for name in site.roots}
        for node, reason in obstacles(self.graph, replaced, with_convs=padding == 'circular'):
            self.unsupported.append(LeftAlone(_place(node), f'{reason}: padding="{padding}" cannot change it'))

    def extra_names(self) -> set[str]:
        known = {n.name for n in self.graph if n.role in _ROOTS}
        names = set(dilated_roots(self.model)) & known if self.options.dilated == 'blur' else set()
        return names | matching_names('extra', _PLACES, self.options.extra, known)

    def skip_names(self) -> set[str]:
        modules = {n.name: n.module for n in self.graph if n.role in _ROOTS}
        if callable(self.options.skip):
            return {name for name, module in modules.items() if self.options.skip(name, module)}
        functions = {_place(node) for node in self.graph if _is_functional(node)}
        return matching_names('skip', _PLACES, self.options.skip, modules.keys() | functions)


def _try_layer(pool: PoolFactory, carrier: Carrier, stride: tuple[int, int]) -> str | None:
    """Build the filter once, to learn now whether it can be built."""
    try:
        with torch.random.fork_rng(devices=[]):
            pool(carrier.channels, stride)
    except ValueError as error:
        return f'{pool} does not fit: {error}'
    return None


def resolve_stem(stem: Pool) -> PoolFactory:
    """Make a factory of the option `stem` where it is a filter of its own; a ValueError names the option."""
    try:
        return resolve_pool(stem)
    except (TypeError, ValueError) as error:
        raise ValueError(f'stem must be True, False or a filter of its own, got {stem!r}: {error}') from error


def _one_of(argument: str, value: object, *allowed: str) -> None:
    if value not in allowed:
        raise ValueError(f'{argument} must be {_listed(allowed)}, got {value!r}')


def _listed(values: tuple[object, ...]) -> str:
    *others, last = map(repr, values)
    return f'{", ".join(others)} or {last}'


def _is_functional(node: Node) -> bool:
    """Whether a function of torch, called in a module's own ``forward``, convolves or pools."""
    return node.kind == 'function' and node.name in ops.FUNCTIONAL_DOWNSAMPLING


def _place(node: Node) -> str:
    """Name of a node; of a function, behind the module in whose ``forward`` it is called."""
    return f'{node.scope}.{node.name}'.lstrip('.') if node.kind == 'function' else node.name


def _why_left(node: Node) -> str:
    if node.name == 'avg_pool2d':
        return 'a function averages here, which is a low-pass filter of its own'
    return 'skip asks for it' if _is_functional(node) else 'reduces the map without a strided convolution or pool'


def _note(run: Run) -> str:
    names = ', '.join(node.name or node.scope for node in run.statistics)
    return f'{names}: statistics of the denser map' if names else ''


def _shrinks(node: Node) -> bool:
    """Whether a map of more than one pixel comes out at three quarters of its size or less."""
    source = node.inputs[0] if node.inputs else node
    if len(source.shape) != 4 or len(node.shape) != 4:
        return False
    return 1 < node.shape[-1] <= 0.75 * source.shape[-1] and 1 < node.shape[-2] <= 0.75 * source.shape[-2]
