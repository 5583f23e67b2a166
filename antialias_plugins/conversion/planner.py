"""Decide what to do at every place of a traced network; nothing is changed here."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.circular import obstacles
from antialias_plugins.conversion.placement import (
    AttachmentPoint,
    Run,
    descendants,
    find_point,
    follow,
    merge,
    point_of_pool,
)
from antialias_plugins.conversion.plan import AntialiasPlan, LeftAlone, Options, Site
from antialias_plugins.conversion.trace import Graph, Node
from antialias_plugins.layers.pool import PoolFactory
from antialias_plugins.utils import matching_names

# A convolution that strides by more embeds patches or reduces attention: made dense, it would cost stride² as much.
MAX_STRIDE = 2

_ROOTS = (ops.CONV, ops.MAX_POOL, ops.AVG_POOL)
_PLACES = 'convolutions or pools'


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
    taken: set[str] = field(default_factory=set)
    stems: set[Node] = field(default_factory=set)

    def run(self) -> AntialiasPlan:
        roots = [node for node in self.select() if self.is_possible(node)]
        pools = [Run((node,), ops.stride_of(node.module), (node,)) for node in roots if node.role != ops.CONV]
        runs = follow(self.graph, {node for node in roots if node.role == ops.CONV})
        for run, point in self.with_points(pools, runs):
            self.place(run, point)
        self.report_the_rest()
        self.report_borders()
        ordered = tuple(site for _, site in sorted(self.sites, key=lambda item: item[0]))
        name = type(self.model).__name__
        return AntialiasPlan(name, str(self.pool), ordered, tuple(self.skipped), tuple(self.unsupported))

    def with_points(self, pools: list[Run], runs: list[Run]) -> Iterator[tuple[Run, AttachmentPoint | str]]:
        """Every run with the module that its filter hangs on, or with the reason why there is none."""
        found = {pool: point_of_pool(self.graph, pool.root) for pool in pools}
        found |= {run: find_point(self.graph, run) for run in runs}
        stuck = [run for run in runs if isinstance(found[run], str)]
        for merged in merge(self.graph, [*stuck, *pools]) if stuck else ():
            point = find_point(self.graph, merged)
            if isinstance(point, AttachmentPoint) and any(part in stuck for part in merged.parts):
                found = {run: it for run, it in found.items() if run not in merged.parts} | {merged: point}
        yield from found.items()

    def select(self) -> Iterator[Node]:
        """The downsampling modules that are to be filtered."""
        extra, skip = self.extra_names(), self.skip_names()
        below_conv = descendants(self.graph, lambda node: node.role == ops.CONV)
        below_stride = descendants(
            self.graph, lambda node: node.role in _ROOTS and ops.stride_of(node.module) != (1, 1)
        )
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

    def place(self, run: Run, point: AttachmentPoint | str) -> None:
        """Turn a run and its attachment point into a site."""
        root, names, is_stem = run.root, tuple(node.name for node in run.roots), run.root in self.stems
        pool = self.options.pool_at(is_stem, self.pool)
        if isinstance(point, AttachmentPoint) and point.name in self.taken:
            point = f'{point.name} carries another filter already'
        if isinstance(point, AttachmentPoint):
            point = _try_layer(pool, point, run.stride) or point
        if isinstance(point, str):
            self.reject(' + '.join(names), root.module, point)
            return
        self.taken.add(point.name)
        same = tuple(node.name for node in run.roots if node.grid == ops.SAME)
        filtered = point.channels, point.name, point.mode
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


def _try_layer(pool: PoolFactory, point: AttachmentPoint, stride: tuple[int, int]) -> str | None:
    """Build the filter once, to learn now whether it can be built."""
    try:
        with torch.random.fork_rng(devices=[]):
            pool(point.channels, stride)
    except ValueError as error:
        return f'{pool} does not fit: {error}'
    return None


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


def dilated_roots(model: nn.Module) -> list[str]:
    """Names of the stride-1 convolutions (and poolings) that would be strided if their stage were not dilated.

    Such a stage no longer says where its stride was. DDAC's segmentation (https://arxiv.org/abs/2008.09604) keeps the
    filter there, with stride 1, so that an antialiased ImageNet checkpoint still fits.

    It knows residual networks by their shape: stages are sibling sequences of blocks, a block has ``conv1``, ``conv2``
    and a ``downsample`` path in the first place of its stage. A stage is dilated in place of a stride when it
    dilates more than the stage before and its first block does not stride.
    """
    roots: list[str] = []
    for prefix, parent in model.named_modules():
        before = 1
        for name, stage in parent.named_children():
            blocks = list(stage.children()) if isinstance(stage, (nn.Sequential, nn.ModuleList)) else []
            if not blocks or not all(map(_is_residual_block, blocks)):
                continue
            dilation = max(ops.pair(m.dilation)[0] for m in stage.modules() if ops.is_conv(m))
            if dilation > before and not _is_strided(blocks[0]):
                roots += (f'{prefix}.{name}.0.{root}'.lstrip('.') for root in _block_roots(blocks[0]))
            before = max(before, dilation)
    return roots


def _is_residual_block(module: nn.Module) -> bool:
    return hasattr(module, 'downsample') and all(
        isinstance(getattr(module, n, None), nn.Module) for n in ('conv1', 'conv2')
    )


def _is_strided(block: nn.Module) -> bool:
    return any(ops.is_conv(m) and ops.stride_of(m) != (1, 1) for m in block.modules())


def _block_roots(block: nn.Module) -> Iterator[str]:
    """The convolution that strides in an undilated block, on the main path and on the skip path."""
    is_bottleneck = isinstance(getattr(block, 'conv3', None), nn.Module)
    yield 'conv2' if is_bottleneck and getattr(block, 'style', 'pytorch') == 'pytorch' else 'conv1'
    if block.downsample is not None:
        pools_and_convs = (
            name
            for name, module in block.downsample.named_modules(prefix='downsample')
            if ops.is_conv(module) or isinstance(module, nn.AvgPool2d)
        )
        yield next(pools_and_convs)
