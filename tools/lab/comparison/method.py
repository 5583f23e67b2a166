"""What is compared: a filter and the border of the network's convolutions and pools."""

from dataclasses import dataclass

from antialias_plugins.layers.pool import resolve_pool

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
