"""Places where a network downsamples, and the maps right before them.

Letters: channels ``C``, map ``H W``, stride ``S``.
"""

import warnings
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from antialias_plugins import conversion, layers
from antialias_plugins.conversion import operators as ops
from antialias_plugins.functional import blur_pool2d
from antialias_plugins.functional.max_blur_pool import dense_max_pool2d

_POLYPHASE = (layers.PolyphasePool2d, layers.TranslationInvariantPolyphasePool2d)
_FILTERS = (layers.AdaptiveBlurPool2d, layers.FrequencyLowCutPool2d, layers.MaxBlurPool2d, *_POLYPHASE)


@dataclass(frozen=True)
class Place:
    """A module that keeps every S-th pixel of a map, in the network that `observe` returns; see `SiteAliasing`."""

    name: str
    kind: str
    filter: str
    stride: tuple[int, int]
    module: nn.Module


def observe(network: nn.Module, example: Tensor) -> tuple[nn.Module, list[Place], conversion.AntialiasPlan]:
    """Return a copy of a network and every module of it that downsamples.

    A plain network subsamples, in the copy, where its antialiased form would, behind the activation for example, with a
    filter of one tap. It computes the same: the dense result of a strided convolution, subsampled, is its result. So
    the maps in front of a stride are the same maps in a plain network and in its antialiased form, under the same name.
    What the conversion skips, such as the first convolution, or cannot convert is observed where it strides.

    Returns:
        The copy; the modules, in the order of registration; and the plan of the conversion of the plain network.

    Raises:
        UnsupportedModelError: If the network does not run on the example.
    """
    observed = deepcopy(network)
    options = {'example_input': example, 'avgpool': 'keep'}
    if conversion.is_antialiased(network):
        plan = conversion.plan_antialias(conversion.revert_antialias(deepcopy(network)), 'lpf1', stem=True, **options)
    else:
        plan = conversion.plan_antialias(observed, 'lpf1', stem=True, **options)
        if conversion.plan_antialias(observed, 'lpf1', **options).sites:
            with warnings.catch_warnings():
                # Of places that stay as they are, which is fine here.
                warnings.simplefilter('ignore', conversion.AntialiasWarning)
                conversion.convert_antialias(observed, 'lpf1', on_unsupported='warn', **options)
    return observed, list(_places(observed, plan)), plan


def dense_map(module: nn.Module, input: Tensor) -> Tensor:
    """Return what a downsampling module computes before it drops all but every S-th pixel.

    Of a polyphase layer that is the map of whose components it chooses one, or mixes them.
    """
    if isinstance(module, layers.FrequencyLowCutPool2d):
        return _all_phases(module, input)
    if isinstance(module, _POLYPHASE):  # whose forward pass would publish another choice to the layers that follow
        return input if module.filt_size == 1 else _blur(module, input)
    if isinstance(module, layers.MaxBlurPool2d):
        window = module.kernel_size, module.stride, module.padding
        return _blur(module, dense_max_pool2d(input, *window, ceil_mode=module.ceil_mode))
    return ops.at_stride_1(module, input)


def _places(network: nn.Module, plan: conversion.AntialiasPlan) -> Iterator[Place]:
    sites = {site.carrier if site.mode == 'slot' else f'{site.carrier}.aa': site for site in plan.sites}
    filters = {name: module for name, module in network.named_modules() if _is_filter(name, module)}
    for name, module in network.named_modules():
        stride = ops.stride_of(module)
        if name in filters:
            site = sites.get(name)
            root, kind = (' + '.join(site.roots), site.kind) if site else (name, 'filter')
            yield Place(root, kind, _describe(module), stride, module)
        elif (kind := _kind(module)) and stride != (1, 1) and not any(name.startswith(f'{it}.') for it in filters):
            yield Place(name, kind, '', stride, module)


def _is_filter(name: str, module: nn.Module) -> bool:
    """Whether the module filters and then strides: ours, timm's and other blur layers, and whatever a slot holds."""
    is_fixed = isinstance(getattr(module, 'filt', None), Tensor)
    is_known = is_fixed or isinstance(module, _FILTERS) or name.rpartition('.')[2] == 'aa'
    return is_known and ops.stride_of(module) != (1, 1)


def _kind(module: nn.Module) -> str:
    if ops.is_conv(module):
        return ops.CONV
    kinds = {nn.MaxPool2d: ops.MAX_POOL, nn.AvgPool2d: ops.AVG_POOL}
    carries_its_filter = hasattr(module, 'aa')
    return next((kind for pool, kind in kinds.items() if isinstance(module, pool) and not carries_its_filter), '')


def _describe(module: nn.Module) -> str:
    taps = getattr(module, 'filt_size', None)
    return '' if taps == 1 else type(module).__name__ + ('' if taps is None else f'({taps})')


def _blur(module: nn.Module, input: Tensor) -> Tensor:
    return blur_pool2d(input, module.filt_size, 1, module.padding_mode, filt=module.filt)


def _all_phases(module: nn.Module, input: Tensor) -> Tensor:
    """Its result at every pixel, of a circular filter: the results for all shifts of the map, interleaved."""
    dense = torch.empty_like(input)
    for row in range(module.stride[0]):
        for column in range(module.stride[1]):
            place = dense[..., row :: module.stride[0], column :: module.stride[1]]
            phase = module.forward(input.roll((-row, -column), (-2, -1)))
            place.copy_(phase[..., : place.shape[-2], : place.shape[-1]])
    return dense
