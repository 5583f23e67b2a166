"""Weights of other projects: published files, key layouts, and a loader that leaves no tensor out.

>>> import torchvision
>>> from antialias_plugins import checkpoints, convert_antialias
>>> model = convert_antialias(torchvision.models.resnet50(), 'lpf4', maxpool='published')
>>> weights = checkpoints.PUBLISHED['resnet50_lpf4.adobe_ft_in1k']
>>> report = checkpoints.load_checkpoint(model, checkpoints.fetch_weights(weights))  # doctest: +SKIP
"""

from antialias_plugins.checkpoints.convert import CheckpointReport, convert_state_dict
from antialias_plugins.checkpoints.load import copy_weights, load_checkpoint
from antialias_plugins.checkpoints.published import PUBLISHED, PublishedWeights, fetch_weights, published_arguments
from antialias_plugins.checkpoints.read import CheckpointError, read_checkpoint

__all__ = [
    'PUBLISHED',
    'CheckpointError',
    'CheckpointReport',
    'PublishedWeights',
    'convert_state_dict',
    'copy_weights',
    'fetch_weights',
    'load_checkpoint',
    'published_arguments',
    'read_checkpoint',
]


def __dir__() -> list[str]:
    return __all__
