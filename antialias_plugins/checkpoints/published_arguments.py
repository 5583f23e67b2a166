"""How the network of a published file is built."""

import os
import re
from typing import Any

from antialias_plugins.checkpoints.learnable_polyphase import trained_arguments
from antialias_plugins.checkpoints.published import PUBLISHED

DDAC_ARGUMENTS = {'softmax': 'joint', 'groups': 8}


def published_arguments(arch: str, path: str | os.PathLike[str], sha256: str | None = None) -> dict[str, Any]:
    """The arguments of `timm.create_model` without which a network does not compute what a file was trained for.

    Those of DDAC are always the same. A file of LPS tells its own, but where it has lost its hyperparameters: then the
    borders are those of the published network of that name.

    Args:
        arch: what the file was trained as: ``'resnet18_lps3'``.
        path: what `read_checkpoint` reads.
        sha256: the SHA-256 digest that the file must have, or the first characters of it.

    Raises:
        CheckpointError: the file cannot be read, or computes what no network of that name does.

    Example:
        >>> published_arguments('resnet101_ddac3', 'resnet101.pth.tar')
        {'softmax': 'joint', 'groups': 8}
    """
    match = re.fullmatch(r'\w+_(ddac|lps)(\d+)', arch)
    if match is None:
        return {}
    if match[1] == 'ddac':
        return dict(DDAC_ARGUMENTS)
    borders = (weights.model_args['padding'] for weights in PUBLISHED.values() if weights.name == arch)
    arguments = {'padding': next(borders, 'circular'), **trained_arguments(path, int(match[2]), sha256)}
    return {argument: value for argument, value in arguments.items() if value is not None}
