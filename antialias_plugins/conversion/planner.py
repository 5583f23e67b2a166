"""Decide what to do at every place of a traced network; nothing is changed here."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion import placement
from antialias_plugins.conversion.circular import obstacles
from antialias_plugins.conversion.cost import cost_of
from antialias_plugins.conversion.placement import AttachmentPoint, Run
from antialias_plugins.conversion.plan import AntialiasPlan, LeftAlone, Options, Site
from antialias_plugins.conversion.trace import Graph, Node
from antialias_plugins.layers.pool import PoolFactory
from antialias_plugins.utils import matching_names

# A convolution that strides by more embeds patches or reduces attention: made dense, it would cost stride² as much.
MAX_STRIDE = 2

_ROOTS = (ops.CONV, ops.MAX_POOL, ops.AVG_POOL)
_PLACES = 'convolutions or pools'


@dataclass(eq=False)
class Planner:
    """Plans the conversion of ``model``, whose forward pass is ``graph``."""

    model: nn.Module
    graph: Graph
    pool: PoolFactory
    options: Options
    sites: list[tuple[int, Site]] = field(default_factory=list)
    skipped: list[LeftAlone] = field(default_factory=list)
    unsupported: list[LeftAlone] = field(default_factory=list)
    stems: set[Node] = field(default_factory=set)

    def __post_init__(self) -> None:
        weight = next((p for p in self.model.parameters() if p.is_floating_point()), torch.empty(0, device='cpu'))
        self.itemsize = weight.element_size()
        modules = {node.name: node.module for node in self.graph if node.role in _ROOTS}
        self.extra = set(dilated_roots(self.model)) & modules.keys() if self.options.dilated == 'blur' else set()
        self.extra |= matching_names('extra', _PLACES, self.options.extra, modules.keys())
        if callable(self.options.skip):
            self.skip = {name for name, module in modules.items() if self.options.skip(name, module)}
        else:
            others = {node.place for node in self.graph if node.role not in _ROOTS and _resamples(node)}
            self.skip = matching_names('skip', _PLACES, self.options.skip, modules.keys() | others)

    def make_plan(self) -> AntialiasPlan:
        """Decide on every place."""
        roots = [node for node in self._select() if self._is_possible(node)]
        pools = [Run((node,), ops.stride_of(node.module), (node,)) for node in roots if node.role != ops.CONV]
        runs = placement.follow(self.graph, {node for node in roots if node.role == ops.CONV})
        for run, point in self._find_points(pools, runs).items():
            self._place(run, point)
        self._report_the_rest()
        self._report_borders()
        ordered = tuple(site for _, site in sorted(self.sites, key=lambda item: item[0]))
        name = type(self.model).__name__
        left = tuple(self.skipped), tuple(self.unsupported)
        return AntialiasPlan(name, str(self.pool), ordered, *left, str(self.graph.call))

    def _find_points(self, pools: list[Run], runs: list[Run]) -> dict[Run, AttachmentPoint | str]:
        """Every run with the module that its filter hangs on, or with the reason why there is none."""
        found = {run: placement.find_point(self.graph, run) for run in (*pools, *runs)}
        stuck = [run for run in runs if isinstance(found[run], str) or placement.is_early(run, found[run])]
        for merged in placement.merge(self.graph, [*stuck, *pools]) if stuck else ():
            point = placement.find_point(self.graph, merged)
            if not isinstance(point, str) and any(part in stuck for part in merged.parts):
                found = {run: it for run, it in found.items() if run not in merged.parts} | {merged: point}
        return found

    def _select(self) -> Iterator[Node]:
        """The downsampling modules that are to be filtered."""
        striding = {node for node in self.graph if node.role in _ROOTS and ops.stride_of(node.module) != (1, 1)}
        below_conv = placement.descendants(self.graph, {node for node in self.graph if node.role == ops.CONV})
        below_stride = placement.descendants(self.graph, striding)
        seen: set[nn.Module] = set()
        for node in self.graph:
            is_place = node in striding or (node.role in _ROOTS and node.name in self.extra)
            if not is_place or node.module in seen:
                continue
            seen.add(node.module)
            if node.role == ops.CONV and node in striding and node not in below_stride:
                self.stems.add(node)
            reason = 'skip asks for it' if node.name in self.skip else None
            if reason is None and node.name not in self.extra:
                reason = self._reason_to_leave(node, node in below_conv)
            if reason is None:
                yield node
            else:
                self.skipped.append(LeftAlone(node.name, reason))

    def _reason_to_leave(self, node: Node, below_conv: bool) -> str | None:
        stride = max(ops.stride_of(node.module))
        if node in self.stems:
            return None if self.options.stem else 'the first downsampling convolution (stem=True filters it too)'
        if node.role == ops.CONV and stride > MAX_STRIDE:
            return f'stride {stride}: made dense it would cost {stride**2} times as much (extra=[...] insists)'
        if node.role != ops.CONV and not below_conv:
            return 'pools the image itself'
        if node.role != ops.CONV and tuple(node.shape[-2:]) == (1, 1):
            return 'pools the whole map'
        kernel = max(ops.pair(node.module.kernel_size)) if node.role == ops.AVG_POOL else 0
        return f'context pooling over {kernel} pixels' if kernel > stride + 1 else None

    def _is_possible(self, node: Node) -> bool:
        module, reason = node.module, None
        if not self.graph.runs_once(module):
            reason = f'runs {self.graph.call_counts[module]} times in one forward pass'
        elif len(node.inputs) != 1 or len(node.inputs[0].shape) != 4:
            reason = 'does not read one map of shape (N, C, H, W)'
        elif node.grid is None:
            reason = 'its own forward cannot be made dense: it pads by its stride, or does more than its base class'
        elif getattr(module, 'return_indices', False):
            reason = 'returns indices'
        if reason:
            self._reject(node.name, module, reason)
        return reason is None

    def _place(self, run: Run, point: AttachmentPoint | str) -> None:
        """Turn a run and its attachment point into a site."""
        root, names, is_stem = run.roots[0], tuple(node.name for node in run.roots), run.roots[0] in self.stems
        pool = self.options.pool_at(is_stem, self.pool)
        if not isinstance(point, str) and any(site.carrier == point.name for _, site in self.sites):
            point = f'{point.name} carries another filter already'
        if not isinstance(point, str):
            try:  # to learn now whether the filter can be built
                with torch.random.fork_rng(devices=[]):
                    layer = pool(point.channels, run.stride)
            except ValueError as error:
                point = f'{pool} does not fit: {error}'
        if not isinstance(point, str) and point.channels < self.options.min_channels:
            reason = f'{point.channels} channels are fewer than min_channels={self.options.min_channels}'
            self.skipped.append(LeftAlone(' + '.join(names), reason))
            return
        if isinstance(point, str):
            self._reject(' + '.join(names), root.module, point)
            return
        same = tuple(node.name for node in run.roots if node.grid == ops.SAME)
        is_early = placement.is_early(run, point)
        norms = '' if is_early else ', '.join(node.name or node.scope for node in run.statistics)
        note = f'{norms}: statistics of the denser map' if norms else 'before the activation' if is_early else ''
        if not note and point.mode == 'post' and run.activated is None and (unknown := placement.unknown_reader(run)):
            note = f'before {unknown.place}, which may be an activation'
        note = '; '.join(filter(None, (note, pool.remark(layer))))
        filtered = point.channels, point.name, point.mode
        cost = cost_of(run, point, layer, self.itemsize)
        site = Site(names, root.role, run.stride, *filtered, str(pool), note, same, is_stem, bool(norms), cost)
        self.sites.append((root.index, site))

    def _reject(self, name: str, module: nn.Module, reason: str) -> None:
        self.unsupported.append(
            LeftAlone(f'{name} ({type(module).__name__})', f'{reason}; skip=[...] leaves it as it is')
        )

    def _report_the_rest(self) -> None:
        """Whatever else strides or makes the map smaller: nothing is passed over in silence."""
        left, stuck = [], []
        for node in self.graph:
            if node.role in _ROOTS or not _resamples(node):
                continue
            is_unknown = node.kind == 'module' and not type(node.module).__module__.startswith('torch.nn.')
            if node.place in self.skip:
                left.append(LeftAlone(node.place, 'skip asks for it'))
            elif node.resampling:
                left.append(LeftAlone(node.place, node.resampling))
            elif _pools_regions(node):
                left.append(LeftAlone(node.place, 'pools regions of the map'))
            elif node.name == 'avg_pool2d':
                left.append(LeftAlone(node.place, 'a function averages here, which is a low-pass filter of its own'))
            elif node.strides:
                reason = 'a function, not a module, does the striding; skip=[...] leaves it as it is'
                stuck.append(LeftAlone(node.place, reason))
            elif is_unknown:
                reason = 'makes the map smaller by an operation that cannot be looked into; skip=[...] leaves it'
                stuck.append(LeftAlone(f'{node.name} ({type(node.module).__name__})', reason))
            else:
                left.append(LeftAlone(node.place, 'reduces the map without a strided convolution or pool'))
        self.skipped += dict.fromkeys(left)  # a function may be called in a loop
        self.unsupported += dict.fromkeys(stuck)

    def _report_borders(self) -> None:
        """With circular padding, the borders that cannot be."""
        padding = self.options.padding
        if padding == 'keep':
            return
        replaced = () if self.options.avgpool == 'keep' else {name for _, site in self.sites for name in site.roots}
        for node, reason in obstacles(self.graph, replaced, with_convs=padding == 'circular'):
            self.unsupported.append(LeftAlone(node.place, f'{reason}: padding="{padding}" cannot change it'))


def _resamples(node: Node) -> bool:
    """Whether an operation that is no place for a filter strides, rearranges or makes a map smaller."""
    if node.name in ops.FUNCTIONAL_DOWNSAMPLING or node.resampling:
        return node.strides or (bool(node.resampling) and not node.is_chosen)
    return _pools_regions(node) or (not node.is_chosen and _shrinks(node))


def _pools_regions(node: Node) -> bool:
    """Whether it reads a map where boxes say: by its name, or by boxes (K, 4), or with an index (K, 5), beside it."""
    boxes = [source.shape for source in node.inputs[1:] if len(source.shape) == 2 and source.shape[1] in (4, 5)]
    return node.name in ops.REGION_POOLS or (node.kind == 'module' and node.shape[:1] in [it[:1] for it in boxes])


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
            strides = any(ops.is_conv(m) and ops.stride_of(m) != (1, 1) for m in blocks[0].modules())
            if dilation > before and not strides:
                roots += (f'{prefix}.{name}.0.{root}'.lstrip('.') for root in _block_roots(blocks[0]))
            before = max(before, dilation)
    return roots


def _is_residual_block(module: nn.Module) -> bool:
    convs = (getattr(module, name, None) for name in ('conv1', 'conv2'))
    return hasattr(module, 'downsample') and all(isinstance(conv, nn.Module) for conv in convs)


def _block_roots(block: nn.Module) -> Iterator[str]:
    """The convolution that strides in an undilated block, on the main path and on the skip path."""
    is_bottleneck = isinstance(getattr(block, 'conv3', None), nn.Module)
    yield 'conv2' if is_bottleneck and getattr(block, 'style', 'pytorch') == 'pytorch' else 'conv1'
    if block.downsample is not None:
        parts = block.downsample.named_modules(prefix='downsample')
        yield next(name for name, part in parts if ops.is_conv(part) or isinstance(part, nn.AvgPool2d))
