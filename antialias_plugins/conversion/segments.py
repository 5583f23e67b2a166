"""Segments: the chains of modules from a dense convolution to its filter, which can run once more in backward."""

from dataclasses import dataclass

from torch import nn

from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.placement import has_hidden_forward
from antialias_plugins.conversion.plan import Site
from antialias_plugins.conversion.trace import Call, Graph, Node
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d


@dataclass(frozen=True)
class Segment:
    """A chain of modules from a dense convolution to its filter, inside the ``forward`` of one block, or one module.

    Attributes:
        block: fully qualified name of the innermost module whose ``forward`` runs all of it.
        start: name of the convolution; this and the names below are relative to the block.
        steps: names of the modules that compute, one after the other, the filter's output from the convolution's input.
        filter: name of the filter. Where a single module is a segment, a pool or a filter, it is `start` and `filter`.
    """

    block: str
    start: str
    steps: tuple[str, ...]
    filter: str


def find_segment(model: nn.Module, graph: Graph, site: Site) -> Segment | str:
    """The segment of a site, or why there is none.

    It begins at the convolution that was made dense. Anywhere else only a filter with parameters keeps full-resolution
    maps, and it is a segment of its own, or the pool that it belongs to. `graph` is from before the conversion.
    """
    point = next(it for its in (graph.nodes, graph.calls) for it in its if it.module and it.name == site.carrier)
    filter_name = site.carrier if site.mode == 'slot' else f'{site.carrier}.aa'
    root = next(node for node in graph if node.name == site.roots[0])
    names = _chain(graph, site, root, point, filter_name)
    if isinstance(names, str):
        if not any(True for _ in model.get_submodule(filter_name).parameters()):
            return names
        names = (site.carrier if site.mode == 'pool' else filter_name,) * 3
    block = _block(graph, (point,) if names[0] == names[-1] else (root, point), names)
    start, *steps, filter_name = (name[len(block) + 1 :] if block else name for name in names)
    return _obstacle(model, block, names, site) or Segment(block, start, tuple(steps), filter_name)


def _chain(graph: Graph, site: Site, root: Node, point: Node | Call, filter_name: str) -> tuple[str, ...] | str:
    """Names of the convolution, of the steps, and of the filter, or why they are no chain."""
    if site.kind != ops.CONV or len(site.roots) > 1:
        return 'no single convolution was made dense'
    if not (root.is_plain and point.is_plain):
        return 'a module on the way takes more than a map'
    results = [point] if isinstance(point, Node) else point.outputs
    end = (point.inputs if site.mode == 'pre' else results)[0]  # the filter runs behind it
    path = [root]
    while path[-1] is not end and path[-1].passes_on:
        path.append(path[-1].users[0])
    if path[-1] is not end or not any(node.role == ops.ACTIVATION for node in path):
        return 'no activation lies before its filter'
    steps = _cover(graph, path)
    if steps is None:
        return 'a function, not a module, runs before its filter'
    return (root.name, *steps, *([filter_name] if site.mode == 'pre' else []), filter_name)


def _cover(graph: Graph, path: list[Node]) -> tuple[str, ...] | None:
    """Names of the modules whose calls, one after the other, are the path: the smallest ones that do it."""
    if not path:
        return ()
    first = path[0]
    # what begins here, and how many operations it takes
    found = [(first.name, 1)] if first.kind == 'module' and first.is_plain else []
    for call in graph.calls:
        inside = graph.nodes[call.first : call.last]
        is_step = call.is_plain and call.inputs == first.inputs and call.outputs == inside[-1:]
        if inside and is_step and inside == path[: len(inside)]:
            found.append((call.name, len(inside)))
    for name, length in found:
        rest = _cover(graph, path[length:])
        if rest is not None:
            return (name, *rest)
    return None


def _block(graph: Graph, places: tuple[Node | Call, ...], names: tuple[str, ...]) -> str:
    """Name of the innermost module that calls all of them; the network's own is empty."""
    indices = [place.index if isinstance(place, Node) else place.first for place in places]
    for call in graph.calls:  # an inner call ends before the outer one
        holds_all = all(call.first <= index < call.last for index in indices)
        if holds_all and call.name and all(name.startswith(f'{call.name}.') for name in names):
            return call.name
    return ''


def _obstacle(model: nn.Module, block: str, names: tuple[str, ...], site: Site) -> str | None:
    modules = [model.get_submodule(name) for name in (block, names[0], names[-1])]
    if any(isinstance(module, PolyphasePool2d) for module in model.get_submodule(site.carrier).modules()):
        return 'its filter chooses a phase, which others may follow'
    if any(map(has_hidden_forward, modules)):
        return 'a forward is hidden by another'
    return None
