"""The network that is evaluated."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
from torch import nn

from antialias_plugins.checkpoints import load_checkpoint


def create_network(
    name: str,
    *,
    pretrained: bool = False,
    checkpoint: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Create a timm network and load its weights.

    Args:
        name: Name in timm's registry, ours included, with or without a tag; or ``hf-hub:…``, ``local-dir:…``.
        pretrained: Whether to load the weights of the tag.
        checkpoint: File with weights in any layout that `load_checkpoint` knows.
        options: Further arguments of the network.

    Returns:
        The network.

    Raises:
        ValueError: If there is no such network, it does not take the options, or its weights cannot be had or do not
            fit.
    """
    if pretrained and checkpoint is not None:
        raise ValueError(f'checkpoint must be None for pretrained weights, got {checkpoint}')
    if ':' not in name and not timm.is_model(name):
        similar = ', '.join(get_close_matches(name, timm.list_models(), n=3)) or 'none'
        raise ValueError(f'name must be a timm network, got {name!r} (similar names: {similar})')
    try:
        network = timm.create_model(name, pretrained=pretrained, **(options or {}))
    except (RuntimeError, OSError) as error:  # an unknown tag; weights that cannot be downloaded
        raise ValueError(f'{name} cannot be created: {error}') from error
    except TypeError as error:
        if not options:
            raise
        raise ValueError(f'options must be arguments of {name}, got {dict(options)}: {error}') from error
    if checkpoint is not None:
        load_checkpoint(network, checkpoint)
    return network
