"""Networks of each library, by name and family, ready to be built with random weights."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
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

_SIZE_WORD = re.compile(
    r'x*(zepto|atto|femto|pico|nano|micro|mini|tiny|small|base|medium|large|huge|giant)|ti|[xsmlt]?[sml]|[abdefgnt]'
)
_MEASURE = re.compile(r'[a-z]{0,2}\d+([a-z]{1,2}\d+)*[a-z]{0,2}')  # 224, b0, w18, 32x4d, 1s4x24d, 400mf
_VERSION = re.compile(r'v\d+')
_DESIGN = re.compile(r'\d{2,3}([dt])')  # in 50d and 26t the letter is a design
_NUMBER_INSIDE = re.compile(r'(?<![v\d])\d+(x\d+)?')


def family_of(name: str) -> str:
    """The name of a network without size words, depths, widths and image sizes.

    Versions stay, and so does every mark of another design. A rule for names is a rule of thumb: in doubt this one
    makes two families of one, not one of two.

    Example:
        >>> [family_of(name) for name in ('resnet18', 'resnet50', 'resnet50d', 'seresnet50', 'resnext50_32x4d')]
        ['resnet', 'resnet', 'resnetd', 'seresnet', 'resnext']
        >>> [family_of(name) for name in ('tf_efficientnetv2_b0', 'resnetv2_50d_gn', 'convnext_atto', 'vgg11_bn')]
        ['tf_efficientnetv2', 'resnetv2_d_gn', 'convnext', 'vgg_bn']
    """
    return '_'.join(filter(None, map(_without_size, name.split('_')))) or name


def _without_size(word: str) -> str:
    design = _DESIGN.fullmatch(word)
    if design:
        return design[1]
    if _VERSION.fullmatch(word):
        return word
    if _SIZE_WORD.fullmatch(word) or _MEASURE.fullmatch(word):
        return ''
    return _NUMBER_INSIDE.sub('', word)


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
