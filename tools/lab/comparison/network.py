"""The network into which every filter is put."""

import torch
from timm.models.resnet import BasicBlock, ResNet

from antialias_plugins.conversion import convert_antialias
from antialias_plugins.conversion.circular import wrap_around
from antialias_plugins.conversion.trace import default_example, trace
from lab.comparison.digits import CLASSES
from lab.comparison.method import Method


def build_network(method: Method, seed: int) -> ResNet:
    """Build a ResNet of one narrow block a stage, and put the filters into it, the stem included.

    Its maps are 16, 8, 4, 2 and 1 pixels wide: it downsamples in a strided stem, a max pool, and the main and skip
    paths of three blocks. The weights that all methods have are the same for all methods of a seed.

    Args:
        method: the filter and the borders.
        seed: of the weights; torch's own generator is left as it is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNet(
            BasicBlock,
            (1, 1, 1, 1),
            num_classes=CLASSES,
            in_chans=1,
            stem_type='deep',
            stem_width=8,
            channels=(16, 32, 64, 128),
        )
        if method.pool is not None:
            border = 'circular' if method.is_circular else 'keep'
            convert_antialias(network, method.pool, stem=True, padding=border)
        elif method.is_circular:
            wrap_around(trace(network, default_example(network)), ())
    return network
