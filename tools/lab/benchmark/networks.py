"""Whole networks, against the network before its conversion and the published package."""

import functools
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins.checkpoints import copy_weights
from antialias_plugins.conversion import convert_antialias
from lab.benchmark.case import OURS, Case, Implementation
from lab.benchmark.plain import PlainBlurPool2d, UnfoldAdaptiveBlurPool2d

BASELINE = 'baseline'
PLAIN_LAYERS = {'lpf3': (PlainBlurPool2d, 3), 'lpf4': (PlainBlurPool2d, 4), 'ddac3': (UnfoldAdaptiveBlurPool2d, 3)}


def network_cases(batch: int = 8, quick: bool = False) -> Iterator[Case]:
    """Give torchvision's ResNet-18 and ResNet-50 with each filter, as they are and with ``recompute=True``, at 224x224.

    They are converted with ``maxpool='published'``, so that the published package computes the same.

    Args:
        batch: Images.
        quick: One image of 64x64, and ResNet-18 only.

    Yields:
        One case after the other.
    """
    shape = (1, 3, 64, 64) if quick else (batch, 3, 224, 224)
    for name in ('resnet18',) if quick else ('resnet18', 'resnet50'):
        for pool in ('lpf4', 'ddac3'):
            yield _case(name, pool, shape)
            yield _recomputed_case(name, pool, shape)


def plainly(pool: str, model: nn.Module, **options: Any) -> nn.Module:
    """Convert a network in place with the plain layer of a shorthand, and return it.

    Args:
        pool: ``'lpf3'``, ``'lpf4'`` or ``'ddac3'``.
        model: The network.
        **options: Of `convert_antialias`.
    """
    layer, filt_size = PLAIN_LAYERS[pool]
    return convert_antialias(model, lambda channels, stride: layer(channels, filt_size, stride), **options)


def _case(name: str, pool: str, shape: tuple[int, ...]) -> Case:
    ours, plain = functools.partial(_ours, name, pool), functools.partial(_plain, name, pool)

    def published() -> nn.Module:
        model = getattr(import_module('antialiased_cnns'), name)(filter_size=int(pool[-1]))
        copy_weights(ours(), model)
        return model

    implementations = [Implementation(OURS, ours), Implementation('plain layers', plain)]
    if pool.startswith('lpf') and find_spec('antialiased_cnns'):
        implementations.append(Implementation('antialiased-cnns', published))
    return _network_case(name, f'{name} {pool}', shape, plain, implementations)


def _recomputed_case(name: str, pool: str, shape: tuple[int, ...]) -> Case:
    implementations = [
        Implementation(OURS, functools.partial(_ours, name, pool, recompute=True)),
        Implementation('without recompute', functools.partial(_ours, name, pool)),
    ]
    return _network_case(
        name, f'{name} {pool} recompute', shape, functools.partial(_plain, name, pool), implementations
    )


def _network_case(
    name: str,
    group: str,
    shape: tuple[int, ...],
    reference: Callable[[], nn.Module],
    implementations: Iterable[Implementation],
) -> Case:
    """The implementations, with the network before its conversion as the floor."""
    floor = Implementation(BASELINE, functools.partial(_baseline, name), floor=True)
    image, size = functools.partial(_image, shape), 'x'.join(map(str, shape))
    return Case('networks', group, size, image, reference, (*implementations, floor), network=True)


def _ours(name: str, pool: str, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return convert_antialias(_baseline(name), pool, maxpool='published', **options)


def _plain(name: str, pool: str) -> nn.Module:
    model = plainly(pool, _baseline(name), maxpool='published')
    model.load_state_dict(_ours(name, pool).state_dict())
    return model


def _baseline(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(import_module('torchvision.models'), name)()


def _image(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
