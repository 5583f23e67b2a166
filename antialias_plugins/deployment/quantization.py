"""Converted networks through torch's quantisation in FX graph mode."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.ao.quantization.fx.custom_config import PrepareCustomConfig


def quantization_config(model: nn.Module) -> 'PrepareCustomConfig':
    """Say which modules `torch.ao.quantization.quantize_fx.prepare_fx` is to leave in floating point.

    They are those of this package: a graph of their operators would hold for one size of the map only.

    Args:
        model: best from `plain_modules`, of whose filters only those with predicted taps or phases are left.

    Returns:
        The ``prepare_custom_config``.

    Example:
        >>> import torchvision
        >>> from antialias_plugins import convert_antialias
        >>> from antialias_plugins.deployment import plain_modules
        >>> model = plain_modules(convert_antialias(torchvision.models.resnet18(), 'ddac3').eval())
        >>> [left.__name__ for left in quantization_config(model).non_traceable_module_classes]
        ['AdaptiveBlurPool2d']
    """
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
    """Power of `expected` over that of the difference, in decibels.

    Example:
        >>> import torch
        >>> round(signal_to_noise(torch.tensor([10.0, 1.0]), torch.tensor([10.0, 0.0])))
        20
    """
    noise = (actual.double() - expected.double()).square().sum()
    return float(10 * (expected.double().square().sum() / noise).log10())
