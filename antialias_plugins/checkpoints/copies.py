"""Tensors that a file holds under two names."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from antialias_plugins.checkpoints.errors import CheckpointError
from antialias_plugins.conversion import LeftAlone

# Name of a copy, name of its original. The MobileNetV2 of pytorch-deeplab-xception keeps its layers in one list, and
# again in the two halves that it runs.
_COPIES = ((r'(.*)(?:low|high)_level_features\.(.+)', r'\1features.\2'),)


def without_copies(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[LeftAlone]]:
    """Leave out what is stored a second time.

    Args:
        state_dict: tensors by name, as `read_checkpoint` returns them.

    Returns:
        The tensors that are left, and the names of the others with the reason.

    Raises:
        CheckpointError: a copy has other values than its original.
    """
    kept, dropped = dict(state_dict), []
    for key, original in _copies(state_dict):
        if not torch.equal(state_dict[key], state_dict[original]):
            raise CheckpointError(f'{key} and {original} are one tensor of the network and differ in the file')
        del kept[key]
        dropped.append(LeftAlone(key, 'stored under another name as well'))
    return kept, dropped


def _copies(state_dict: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    matches = ((re.fullmatch(pattern, key), name) for key in state_dict for pattern, name in _COPIES)
    pairs = ((match[0], match.expand(name)) for match, name in matches if match)
    return [(key, original) for key, original in pairs if original in state_dict]
