"""Places that have to take the same polyphase component, because their maps meet again.

Where every second pixel is taken, and the choice which ones depends on the map, two branches that are added must have
made the same choice: the skip path of a residual block follows its main path.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from torch import nn

from antialias_plugins.conversion.plan import AntialiasPlan, AntialiasWarning, Site, UnsupportedModelError
from antialias_plugins.conversion.trace import Graph, Node
from antialias_plugins.layers.phase_link import PhaseLink
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d


def share_phases(graph: Graph, plan: AntialiasPlan, layers: Sequence[nn.Module]) -> None:
    """Let the filters of a plan's sites share a polyphase index where they must agree: the first is its source.

    Raises:
        UnsupportedModelError: maps meet that no common choice can align.
    """
    if not any(isinstance(layer, PolyphasePool2d) for layer in layers):
        return
    try:
        groups, enlarging = phase_groups(graph, plan.sites)
    except PhaseConflict as error:
        raise UnsupportedModelError(f'{plan.model} cannot be antialiased and was left as it is: {error}') from None
    layer_of = dict(zip(plan.sites, layers, strict=True))
    for group in groups:
        chosen = [layer_of[site] for site in group]
        chooses = [isinstance(layer, PolyphasePool2d) for layer in chosen]
        if all(chooses):
            link = PhaseLink()
            chosen[0].lead(link)
            for follower in chosen[1:]:
                follower.follow(link)
        elif any(chooses):  # layers that subsample at a fixed phase have nothing to share
            names = ' and '.join(f'{site.roots[0]} ({site.layer})' for site in group)
            raise UnsupportedModelError(
                f'{plan.model} cannot be antialiased and was left as it is: maps subsampled by {names} meet, and not '
                'all of these layers choose a phase'
            )
    for node in enlarging[:1]:
        message = f'{node.name} in {node.scope or "the network"} enlarges a map without regard to its phase'
        warnings.warn(f'{plan.model}: {message}: not exact behind it', AntialiasWarning, stacklevel=4)


@dataclass(eq=False)
class _Grid:
    """The pixels that a map has kept of the image: those of another grid, subsampled at a site."""

    parent: '_Grid | None' = None
    sites: list[Site] = field(default_factory=list)
    merged_into: '_Grid | None' = None

    def find(self) -> '_Grid':
        return self if self.merged_into is None else self.merged_into.find()


class PhaseConflict(Exception):
    """Maps meet that were subsampled a different number of times, or by different strides."""


def phase_groups(graph: Graph, sites: Sequence[Site]) -> tuple[list[list[Site]], list[Node]]:
    """The sites that must choose together, in the order in which their filters run: the first chooses.

    And the operations that enlarge a map, behind which nobody knows any more which pixels were kept.

    Raises:
        PhaseConflict: a sum or concatenation reads maps that no common choice can align; it names the operation.
    """
    site_of = {name: site for site in sites for name in site.roots}
    grids: dict[Node, _Grid | None] = {}
    made: dict[Site, _Grid] = {}
    enlarging: list[Node] = []
    image = _Grid()
    for node in graph:
        sources = [source for source in node.inputs if len(source.shape) == 4]
        grid = _meet(node, [grids[source] for source in sources]) if sources else image
        site = site_of.get(node.name) if node.kind == 'module' else None
        if site is not None:
            grid = _subsample(node, grid, site, made)
        elif grid is not None and sources and len(node.shape) == 4:
            before, after = (max(source.shape[-1] for source in sources), node.shape[-1])
            if after > before:
                enlarging.append(node)
            if after > before or after == 1 < before:  # a pooled map has no pixels that were chosen
                grid = None
        grids[node] = grid
    found = {grid.find(): None for grid in made.values()}
    return [sorted(grid.sites, key=lambda site: _position(graph, site)) for grid in found], enlarging


def _subsample(node: Node, grid: _Grid | None, site: Site, made: dict[Site, _Grid]) -> _Grid:
    """The grid behind a site; all of its roots share it."""
    new = _Grid(grid, [site])
    if site in made:
        _align(node, made[site], new)
        made[site].find().sites.remove(site)  # which is there twice now
    return made.setdefault(site, new)


def _meet(node: Node, grids: Iterable[_Grid | None]) -> _Grid | None:
    """The grid of what reads several maps; those of unknown grid do not count."""
    known = list(dict.fromkeys(grid.find() for grid in grids if grid is not None))
    for other in known[1:]:
        _align(node, known[0], other)
    return known[0].find() if known else None


def _align(node: Node, one: _Grid, other: _Grid) -> None:
    """Let the sites behind two grids choose together, all the way up to where they part."""
    one, other = one.find(), other.find()
    if one is other:
        return
    strides = [{site.stride for site in grid.sites} for grid in (one, other)]
    if one.parent is None or other.parent is None or strides[0] != strides[1]:
        names = ' and '.join(', '.join(site.roots[0] for site in grid.sites) or 'nothing' for grid in (one, other))
        raise PhaseConflict(f'{node.place} reads maps that were subsampled by {names}: no common phase aligns them')
    _align(node, one.parent, other.parent)
    other.merged_into = one
    one.sites += other.sites


def _position(graph: Graph, site: Site) -> float:
    """When the filter of a site runs."""
    for node in graph:
        if node.kind == 'module' and node.name == site.carrier:
            return node.index
    call = next(call for call in graph.calls if call.name == site.carrier)
    return call.first - 0.5 if site.mode == 'pre' else call.last - 0.5
