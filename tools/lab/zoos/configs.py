"""Configs of the installed zoos, and the backbones of their child configs, built as the library's own tools would."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from antialias_plugins.openmmlab.child_config import find_backbones, list_configs


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


_WEIGHTS = ('init_cfg', 'pretrained')
_OURS = ('type', 'base', 'pool')


@dataclass(frozen=True)
class Backbone:
    """One antialiased backbone of a child config.

    Attributes:
        key: where the config has it: ``'model.backbone'``.
        scope: the library in whose registry its type is looked up first.
        imports: modules that the config asks for.
        config: what is built, without initial weights.
    """

    key: str
    scope: str
    imports: tuple[str, ...]
    config: dict[str, Any]

    @property
    def type(self) -> str:
        """What is antialiased: ``'ResNet'``."""
        return self.config['base']

    @property
    def digest(self) -> str:
        """Tells backbones apart that differ in any option."""
        content = json.dumps([self.scope, self.imports, self.config], sort_keys=True, default=repr)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def build(self) -> nn.Module:
        """The network, antialiased."""
        return build_in_scope(self.config, self.scope, self.imports)

    def build_base(self) -> nn.Module:
        """The network as it was."""
        arguments = {key: value for key, value in self.config.items() if key not in _OURS}
        return build_in_scope({'type': self.type, **arguments}, self.scope, self.imports)


def antialiased_backbones(config: Config, library: str) -> tuple[Backbone, ...]:
    """The backbones of a child config of that library."""
    imports = (config.get('custom_imports') or {}).get('imports', [])
    imports = tuple([imports] if isinstance(imports, str) else imports)
    scope = config.get('default_scope') or library
    found = find_backbones(config.to_dict()).items()
    return tuple(Backbone(key, scope, imports, without_weights(backbone)) for key, backbone in found)


def build_in_scope(config: Mapping[str, Any], scope: str, imports: tuple[str, ...]) -> nn.Module:
    """Build what a config asks for, as a runner whose default scope is `scope`."""
    for module in imports:
        import_module(module)
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(ConfigDict(config))  # some models read their parts as attributes


def without_weights(node: Any) -> Any:
    """A part of a config without the checkpoints that its networks begin with, which would be downloaded."""
    if isinstance(node, Mapping):
        return {key: without_weights(value) for key, value in node.items() if key not in _WEIGHTS}
    return type(node)(map(without_weights, node)) if isinstance(node, list | tuple) else node
