"""A converted network from torch's own modules, as far as it goes: what tools that look for these can read."""

import copy

from torch import nn
from torch.nn import functional as F

from antialias_plugins.conversion import attach
from antialias_plugins.layers import BlurPool2d


def plain_modules(model: nn.Module) -> nn.Module:
    """Copy a converted network, and put its filters beside the modules that carry them.

    A carrier becomes a `torch.nn.Sequential` of itself and its filter, a filter with fixed taps a depthwise
    `torch.nn.Conv2d`, a circular convolution one of `torch.nn.CircularPad2d` and itself without a border. Adaptive
    filters and those that choose a phase stay what they are, and so do average pools. Names of modules change. The
    outputs are the same up to rounding, on maps larger than the filters.

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
    model = _make_plain(attach.keep_maps(copy.deepcopy(model)))
    attach.forget_changes(model)
    return model


def _make_plain(module: nn.Module) -> nn.Module:
    """The module, or what it becomes, after all that it holds."""
    for name, child in list(module.named_children()):
        plain = _make_plain(child)
        if plain is not child:
            setattr(module, name, plain)
    plain = _dissolve(module)
    plain.training = module.training
    return plain


def _dissolve(module: nn.Module) -> nn.Module:
    """What a module becomes, whose filter is plain already; itself if it is to stay."""
    if isinstance(module, BlurPool2d) and module.channels is not None:
        return _dissolve(_as_convolution(module))
    if type(module) is nn.Conv2d and module.padding_mode == 'circular':
        return _pad_apart(module)
    forward = attach.forward_of(module)
    if forward == 'max pool' and not module.ceil_mode:
        filter = attach.take_off(module)
        return nn.Sequential(nn.MaxPool2d(module.kernel_size, 1, module.padding, module.dilation), filter)
    if forward in ('pre', 'post'):
        filter = attach.take_off(module)
        carrier = _dissolve(module)
        return nn.Sequential(filter, carrier) if forward == 'pre' else nn.Sequential(carrier, filter)
    return module


def _as_convolution(pool: BlurPool2d) -> nn.Conv2d:
    """The filter as a convolution of one kernel per channel.

    A convolution pads both sides alike. An even number of taps takes one more, of weight 0, in front.
    """
    extra = 1 - pool.filt_size % 2
    taps = F.pad(pool.filt, (extra, 0, extra, 0))
    size, channels = len(taps), pool.channels
    conv = nn.Conv2d(
        *(channels, channels, size, pool.stride, size // 2),
        groups=channels,
        bias=False,
        padding_mode=pool.padding_mode,
        device=taps.device,
        dtype=taps.dtype,
    )
    conv.weight = nn.Parameter(taps.expand(channels, 1, -1, -1).contiguous(), requires_grad=False)
    return conv


def _pad_apart(conv: nn.Conv2d) -> nn.Module:
    """A circular convolution as padding and a convolution without; there is no quantised one that wraps around."""
    pad = nn.CircularPad2d(tuple(conv._reversed_padding_repeated_twice))
    conv.padding_mode, conv.padding = 'zeros', (0, 0)
    return nn.Sequential(pad, conv)
