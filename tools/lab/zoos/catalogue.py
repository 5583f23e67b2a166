"""The configs that are looked at."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from antialias_plugins.openmmlab.child_config import list_configs


@dataclass(frozen=True)
class ZooConfig:
    """One config of a zoo.

    Attributes:
        library: ``'mmseg'``, ``'mmdet'`` or ``'mmpretrain'``.
        name: its path in the zoo, without suffix.
        path: where it lies.
    """

    library: str
    name: str
    path: Path = field(compare=False)

    @property
    def key(self) -> str:
        """``library/folder/name``, which is unique."""
        return f'{self.library}/{self.name}'


def list_zoo(library: str, only: str = '*') -> list[ZooConfig]:
    """All configs of an installed library, folder by folder.

    Args:
        library: ``'mmseg'``, ``'mmdet'`` or ``'mmpretrain'``.
        only: pattern of ``library/folder/name``.

    Raises:
        ValueError: the library is not installed.
    """
    configs = [ZooConfig(library, name, path) for name, path in list_configs(library).items()]
    return [config for config in configs if fnmatchcase(config.key, only)]
