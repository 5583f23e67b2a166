"""The weights of the network that dual super-resolution leaves after training."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor

from antialias_plugins.files import replacing

_BRANCH = ('sisr_head.', 'feature_transform.')


def inference_weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights that are left without the super-resolution branch and the feature transform.

    They are those of the plain segmentor, which loads them strictly, unless the segmentation has a learned up-sampling:
    then they are those of a `DualSuperResolution` without ``sisr_head``.

    Args:
        state_dict: Weights of a `DualSuperResolution`.

    Raises:
        ValueError: If they have no branch.

    Example:
        >>> weights = {'backbone.conv1.weight': torch.zeros(1), 'sisr_head.low_level.conv.weight': torch.zeros(1)}
        >>> list(inference_weights(weights))
        ['backbone.conv1.weight']
    """
    kept = {key: value for key, value in state_dict.items() if not key.startswith(_BRANCH)}
    if len(kept) == len(state_dict):
        raise ValueError(f'state_dict must have keys that begin with {" or ".join(_BRANCH)}, got none')
    return kept


def export_inference_weights(source: str, target: str, overwrite: bool = False) -> None:
    """Write a checkpoint of mmengine without the branch, and without what only resuming needs.

    Args:
        source: Checkpoint that a training of a `DualSuperResolution` wrote. It is unpickled: it must be your own.
        target: File to write: ``state_dict`` and ``meta``.
        overwrite: Replace `target` if it exists.

    Raises:
        FileExistsError: `target` exists and `overwrite` is not set.
        FileNotFoundError: `source` does not exist.
        ValueError: `source` is not a checkpoint of mmengine, or has no branch.
    """
    if Path(target).exists() and not overwrite:
        raise FileExistsError(f'{target} exists')
    checkpoint = CheckpointLoader.load_checkpoint(source, map_location='cpu')
    if not isinstance(checkpoint, Mapping) or 'state_dict' not in checkpoint:
        raise ValueError(f'source must be a checkpoint of mmengine, with a state_dict, got {source!r}')
    weights = inference_weights(checkpoint['state_dict'])
    with replacing(Path(target)) as partial:
        torch.save({'meta': checkpoint.get('meta', {}), 'state_dict': weights}, partial)
