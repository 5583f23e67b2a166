"""Let the polyphase layers of a network whose maps meet again take the same component."""

import warnings
from collections.abc import Sequence

from torch import nn

from antialias_plugins.conversion.errors import AntialiasWarning, UnsupportedModelError
from antialias_plugins.conversion.graph import Graph
from antialias_plugins.conversion.phases import PhaseConflict, phase_groups
from antialias_plugins.conversion.plan import AntialiasPlan, Site
from antialias_plugins.layers.phase_link import PhaseLink
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d


def share_phases(graph: Graph, plan: AntialiasPlan, layers: Sequence[nn.Module]) -> None:
    """Link the layers: of those that must agree the first chooses, the others follow.

    Args:
        graph: a forward pass of the network before its conversion.
        plan: of its conversion.
        layers: the filters of its sites, in their order. Other than polyphase layers are left alone.

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
        _link([layer_of[site] for site in group], plan.model, group)
    for node in enlarging[:1]:
        message = f'{node.name} in {node.scope or "the network"} enlarges a map without regard to its phase'
        warnings.warn(f'{plan.model}: {message}: not exact behind it', AntialiasWarning, stacklevel=3)


def _link(layers: Sequence[nn.Module], model: str, sites: Sequence[Site]) -> None:
    """Let the first of the layers lead the others; those that subsample at a fixed phase have nothing to share."""
    leader, *followers = layers
    chooses = [isinstance(layer, PolyphasePool2d) for layer in layers]
    if not any(chooses):
        return
    if not all(chooses):
        names = ' and '.join(f'{site.roots[0]} ({site.layer})' for site in sites)
        raise UnsupportedModelError(
            f'{model} cannot be antialiased and was left as it is: maps subsampled by {names} meet, and not all of '
            'these layers choose a phase'
        )
    link = PhaseLink()
    leader.lead(link)
    for follower in followers:
        follower.follow(link)
