"""The networks of each library, by name and ready to be built with random weights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import timm
import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from lab.coverage.backbones import IMAGES, MMPRETRAIN, MMSEG
from lab.coverage.families import family_of


@dataclass(frozen=True)
class Network:
    """One network of a library.

    Attributes:
        library: ``'timm'``, ``'torchvision'``, ``'mmseg'`` or ``'mmpretrain'``.
        module: the library's module that defines it.
        name: its name there.
        family: its name without its size.
        build: builds it, with random weights.
        channels: channels of the images that it is made for.
        side: their height and width.
    """

    library: str
    module: str
    name: str
    family: str
    build: Callable[[], nn.Module] = field(compare=False)
    channels: int = 3
    side: int = 224

    @property
    def key(self) -> str:
        """``library/module/name``, which is unique."""
        return f'{self.library}/{self.module}/{self.name}'

    def build_on_meta(self) -> nn.Module:
        """The network with shapes only; what computes with values while it is built is built in earnest before."""
        try:
            with torch.device('meta'), _NumbersOnCpu():
                return self.build()
        except (NotImplementedError, RuntimeError):  # what torch raises where there are no values
            return self.build().to('meta')

    def count_parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.build_on_meta().parameters())


class _NumbersOnCpu(TorchFunctionMode):
    """Builds the rates of stochastic depth with values, which are read while a network is built."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        on_cpu = {'device': 'cpu'} if func is torch.linspace else {}
        return func(*args, **on_cpu | (kwargs or {}))


def list_networks(library: str) -> list[Network]:
    """All networks of a library, module by module.

    Of timm, every name that timm itself registers; of torchvision, classification and segmentation; of mmseg and
    mmpretrain, every backbone class in one small configuration.

    Raises:
        ValueError: `library` is none of these, or not installed.
    """
    if library not in _LISTS:
        raise ValueError(f'library must be one of {", ".join(_LISTS)}, got {library!r}')
    if find_spec(library) is None:
        raise ValueError(f'library must be installed, {library!r} is not')
    return list(_LISTS[library]())


def installed_libraries() -> list[str]:
    """The libraries that :func:`list_networks` knows and that are installed."""
    return [library for library in _LISTS if find_spec(library)]


def _timm() -> Iterator[Network]:
    for module in timm.list_modules():
        for name in timm.list_models(module=module):
            if timm.model_entrypoint(name).__module__.startswith('timm.'):
                config = timm.get_pretrained_cfg(name)
                channels, _, side = config.input_size if config else (3, 224, 224)
                build = partial(timm.create_model, name)
                yield Network('timm', module, name, family_of(name), build, channels, side)


def _torchvision() -> Iterator[Network]:
    packages = {
        torchvision.models: {'weights': None},
        torchvision.models.segmentation: {'weights': None, 'weights_backbone': None},
    }
    for package, arguments in packages.items():
        for name in torchvision.models.list_models(module=package):
            builder = torchvision.models.get_model_builder(name)
            module = builder.__module__.removeprefix('torchvision.models.')
            yield Network('torchvision', module, name, family_of(name), partial(builder, **arguments))


def _openmmlab(library: str, configs: dict[str, dict[str, Any]]) -> Iterator[Network]:
    backbones = import_module(f'{library}.models.backbones')
    for name, config in configs.items():
        module = getattr(backbones, name).__module__.rpartition('.')[2]
        build = partial(_build_backbone, library, name, config)
        channels, side = IMAGES.get(name, (3, config.get('img_size', 224)))
        yield Network(library, module, name, name, build, channels, side)


def _build_backbone(library: str, name: str, config: dict[str, Any]) -> nn.Module:
    from mmengine.registry import DefaultScope  # without it, a backbone does not find the library's own layers

    with DefaultScope.overwrite_default_scope(library):
        return getattr(import_module(f'{library}.models.backbones'), name)(**config)


_LISTS = {
    'timm': _timm,
    'torchvision': _torchvision,
    'mmseg': partial(_openmmlab, 'mmseg', MMSEG),
    'mmpretrain': partial(_openmmlab, 'mmpretrain', MMPRETRAIN),
}
