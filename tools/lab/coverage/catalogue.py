"""Which networks of a library are looked at: of each family, the smallest."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from lab.coverage.libraries import Network, list_networks


@dataclass(frozen=True)
class Family:
    """The networks of one module whose names differ only in size.

    Attributes:
        members: the networks, in the library's order; at least one.
    """

    members: tuple[Network, ...]

    @property
    def key(self) -> str:
        """``library/module/family``, which is unique."""
        first = self.members[0]
        return f'{first.library}/{first.module}/{first.family}'

    def count_parameters(self) -> dict[str, int]:
        """Number of parameters of every member, by name."""
        return {network.name: network.count_parameters() for network in self.members}


def list_families(library: str, only: str = '*') -> list[Family]:
    """All families of a library, module by module; every network belongs to one.

    Args:
        library: ``'timm'``, ``'torchvision'``, ``'mmseg'`` or ``'mmpretrain'``.
        only: pattern of ``library/module/name``; a family is taken if any of its members matches.

    Raises:
        ValueError: the library is none of these, or not installed.

    Example:
        >>> [[network.name for network in family.members] for family in list_families('timm', 'timm/vgg/*')]
        [['vgg11', 'vgg13', 'vgg16', 'vgg19'], ['vgg11_bn', 'vgg13_bn', 'vgg16_bn', 'vgg19_bn']]
    """
    families: dict[tuple[str, str], list[Network]] = {}
    for network in list_networks(library):
        families.setdefault((network.module, network.family), []).append(network)
    found = [Family(tuple(members)) for members in families.values()]
    return [family for family in found if any(fnmatchcase(network.key, only) for network in family.members)]
