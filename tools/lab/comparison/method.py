"""Methods of the comparison, a filter and the padding of convolutions and pools each, and the network they go into."""

from dataclasses import dataclass

import torch
from timm.models.resnet import BasicBlock, ResNet

from antialias_plugins.conversion import convert_antialias
from antialias_plugins.conversion.circular import wrap_around
from antialias_plugins.conversion.trace import trace
from antialias_plugins.layers.pool import resolve_pool
from lab.comparison.training import CLASSES

BASELINE = 'baseline'
CIRCULAR = '-circular'
METHODS = (
    *(BASELINE, 'lpf3', 'ddac3', 'aps3', 'lps3', 'flc', 'tips'),
    *(f'{pool}{CIRCULAR}' for pool in (BASELINE, 'lpf3', 'aps3', 'lps3', 'flc')),
)
"""What is compared by default. The circular ones are those that circular borders could make invariant, and two that
tell how much of that the borders do by themselves."""


@dataclass(frozen=True)
class Method:
    """One way to downsample.

    Args:
        name: ``'baseline'`` or a shorthand of `antialias_plugins.convert_antialias`; with ``'-circular'`` behind it,
            every convolution and pool has circular borders.

    Raises:
        ValueError: If there is no such filter.

    Example:
        >>> Method('aps3-circular').pool, Method('aps3-circular').is_circular, Method('baseline').pool
        ('aps3', True, None)
    """

    name: str

    def __post_init__(self) -> None:
        if self.pool is not None:
            resolve_pool(self.pool)

    @property
    def pool(self) -> str | None:
        """Shorthand of the filter; ``None`` for the network as it is."""
        pool = self.name.removesuffix(CIRCULAR)
        return None if pool == BASELINE else pool

    @property
    def is_circular(self) -> bool:
        """Whether all borders are circular."""
        return self.name.endswith(CIRCULAR)


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
            wrap_around(trace(network), ())
    return network
