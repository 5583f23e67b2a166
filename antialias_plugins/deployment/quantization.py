"""Converted networks for torch's int8 flow: copies of plain modules, and what stays in floating point."""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from antialias_plugins.conversion import attach
from antialias_plugins.functional.arguments import check_uncompiled, described
from antialias_plugins.layers import BlurPool2d

if TYPE_CHECKING:
    from torch.ao.quantization.fx.custom_config import PrepareCustomConfig


def plain_modules(model: nn.Module) -> nn.Module:
    """Copy a converted network, and put its filters beside the modules that they are attached to.

    A module with a filter becomes a `torch.nn.Sequential` of the two, a filter with fixed taps a depthwise
    `torch.nn.Conv2d`, a circular convolution a `torch.nn.CircularPad2d` and itself without padding. Adaptive filters
    and those that choose a phase stay what they are, and so do average pools. Names of modules change. The outputs are
    the same up to rounding, on maps larger than the filters.

    Args:
        model: what `convert_antialias` or ``timm.create_model`` returned.

    Returns:
        The copy. Its fixed taps are parameters without a gradient.

    Example:
        >>> import torchvision
        >>> from antialias_plugins import convert_antialias
        >>> plain = plain_modules(convert_antialias(torchvision.models.resnet18(), 'lpf3'))
        >>> [type(module).__name__ for module in plain.layer2[0].conv2]  # the filter in front of the convolution
        ['Conv2d', 'Conv2d']
    """
    check_uncompiled('model', model)
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    model = _make_plain(attach.keep_maps(copy.deepcopy(model)), like)
    attach.forget_changes(model)
    return model


def _make_plain(module: nn.Module, like: Tensor) -> nn.Module:
    """The module, or what it becomes, after all that it holds; taps become parameters `like` the network's."""
    for name, child in list(module.named_children()):
        plain = _make_plain(child, like)
        if plain is not child:
            setattr(module, name, plain)
    plain = _dissolve(module, like)
    plain.training = module.training
    return plain


def _dissolve(module: nn.Module, like: Tensor) -> nn.Module:
    """What a module becomes, whose filter is plain already; itself if it is to stay."""
    if isinstance(module, BlurPool2d) and module.channels is not None:
        return _dissolve(_as_convolution(module).to(like.device, like.dtype), like)
    if type(module) is nn.Conv2d and module.padding_mode == 'circular':
        # as padding and a convolution without; there is no quantised one that wraps around
        pad = nn.CircularPad2d(tuple(module._reversed_padding_repeated_twice))
        module.padding_mode, module.padding = 'zeros', (0, 0)
        return nn.Sequential(pad, module)
    attachment = attach.attachment_of(module)
    if attachment == attach.Attachment('behind', 'max') and not module.ceil_mode:
        filter = attach.take_off(module)
        return nn.Sequential(nn.MaxPool2d(module.kernel_size, 1, module.padding, module.dilation), filter)
    if attachment and attachment.filter and attachment.dense == 'module':
        parts = (attach.take_off(module), _dissolve(module, like))
        return nn.Sequential(*parts if attachment.filter == 'before' else reversed(parts))
    return module


def _as_convolution(pool: BlurPool2d) -> nn.Conv2d:
    """The filter as a convolution of one kernel per channel.

    A convolution pads both sides alike. An even number of taps takes one more, of weight 0, in front.
    """
    extra = 1 - pool.filt_size % 2
    taps = F.pad(pool.filt, (extra, 0, extra, 0))
    size, channels = len(taps), pool.channels
    options = {'groups': channels, 'bias': False, 'padding_mode': pool.padding_mode}
    conv = nn.Conv2d(channels, channels, size, pool.stride, size // 2, **options)
    conv.weight = nn.Parameter(taps.expand(channels, 1, -1, -1).contiguous(), requires_grad=False)
    return conv


def quantization_config(model: nn.Module) -> 'PrepareCustomConfig':
    """Return the ``prepare_custom_config`` of `torch.ao.quantization.quantize_fx.prepare_fx` for a network.

    It leaves this package's modules in floating point: a graph of their operators would hold for one size of map only.

    Args:
        model: best from `plain_modules`, of whose filters only those with predicted taps or phases are left.

    Example:
        >>> import torchvision
        >>> from antialias_plugins import convert_antialias
        >>> from antialias_plugins.deployment import plain_modules
        >>> model = plain_modules(convert_antialias(torchvision.models.resnet18(), 'ddac3').eval())
        >>> [left.__name__ for left in quantization_config(model).non_traceable_module_classes]
        ['AdaptiveBlurPool2d']
    """
    check_uncompiled('model', model)
    from torch.ao.quantization.fx.custom_config import PrepareCustomConfig  # takes longer to import than this package

    classes = sorted(set(_own_classes(model)), key=lambda cls: cls.__name__)
    return PrepareCustomConfig().set_non_traceable_module_classes(classes)


def _own_classes(module: nn.Module) -> Iterator[type[nn.Module]]:
    """Classes of this package's modules, not of those inside them."""
    if type(module).__module__.startswith('antialias_plugins'):
        yield type(module)
        return
    for child in module.children():
        yield from _own_classes(child)


def signal_to_noise(actual: Tensor, expected: Tensor) -> float:
    """Power of `expected` over that of the difference, in decibels; infinity if there is no difference.

    Raises:
        ValueError: unless both are finite real numbers of one shape.

    Example:
        >>> import torch
        >>> round(signal_to_noise(torch.tensor([10.0, 1.0]), torch.tensor([10.0, 0.0])))
        20
    """
    for name, value in (('actual', actual), ('expected', expected)):
        if not isinstance(value, Tensor) or value.is_complex() or not value.numel() or not value.isfinite().all():
            raise ValueError(f'{name} must be a tensor of finite real numbers, at least one, got {described(value)}')
    if actual.shape != expected.shape:
        raise ValueError(f'actual must have the shape of expected, {tuple(expected.shape)}, got {described(actual)}')
    noise = (actual.double() - expected.double()).square().sum()
    return float(10 * (expected.double().square().sum() / noise).log10())
