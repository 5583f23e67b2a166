"""A network written after the formulas of learnable_polyphase_sampling, and the files that its authors' trainer saves.

Published: every stride is taken by a layer in front of a block's last convolution, and the max pool is 2x2 between two
layers, of which the first has no low-pass filter. No file of the authors was at hand: names, shapes and computation are
those of their code, not of a download.
"""

import functools

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.checkpoints.networks import CLASSES, PixelAdaptiveFilter, randomise

TAPS = {2: [1.0, 1.0], 3: [1.0, 2.0, 1.0]}


class LowPassFilter(nn.Module):
    """A binomial filter; at its end the border is one pixel wider where the number of taps is even."""

    def __init__(self, channels, filt_size):
        super().__init__()
        taps = torch.tensor(TAPS[filt_size])
        self.register_buffer('filt', (taps[:, None] * taps / taps.sum() ** 2).expand(channels, 1, -1, -1))

    def forward(self, x):
        before, after = (self.filt.shape[-1] - 1) // 2, self.filt.shape[-1] // 2
        return F.conv2d(F.pad(x, (before, after, before, after), 'circular'), self.filt, groups=x.shape[1])


class DDAC(PixelAdaptiveFilter):
    """The adaptive filter at stride 1; the name that a file's hyperparameters refer to."""


class LPSLogitLayersV2:
    """Stands for a class that a file's hyperparameters refer to, as the next two do."""


class SAInner:
    """Chooses otherwise."""


class PolyphaseInvariantDown2D(nn.Module):
    """Low-pass, four components row by row, that of the largest mean of two convolutions; or that of `leader`."""

    def __init__(self, channels, filt_size=1, adaptive=False, share=1.0, leader=None):
        super().__init__()
        self.leader = [leader]  # no submodule
        self.component_selection = nn.Module()
        self.component_selection.register_buffer('gumbel_tau', torch.tensor(0.01))
        if leader is None:
            logits, hidden = nn.Module(), int(channels * share)
            logits.conv1 = nn.Conv2d(channels, hidden, 3, padding='same', padding_mode='circular')
            logits.conv2 = nn.Conv2d(hidden, hidden, 3, padding='same', padding_mode='circular')
            self.component_selection.get_logits = logits
        if adaptive:
            self._antialias_layer = DDAC(channels, filt_size, stride=1, border='circular')
        elif filt_size > 1:
            self._antialias_layer = LowPassFilter(channels, filt_size)

    def forward(self, x):
        if hasattr(self, '_antialias_layer'):
            x = self._antialias_layer(x)
        parts = torch.stack([x[:, :, a::2, b::2] for a in (0, 1) for b in (0, 1)], 1)
        if self.leader[0] is None:
            logits = self.component_selection.get_logits
            scores = [logits.conv2(logits.conv1(part).relu()).mean((1, 2, 3)) for part in parts.unbind(1)]
            self.phase = torch.stack(scores, 1).argmax(1)
        return parts[torch.arange(len(x)), (self if self.leader[0] is None else self.leader[0]).phase]


class Wrapped(nn.Module):
    def forward(self, x):
        return F.pad(x, (0, 1, 0, 1), 'circular')


class Published(nn.Module):
    """Holds the network as its authors do; theirs gives the logarithm of the softmax."""

    def __init__(self, core):
        super().__init__()
        self.core = core

    def forward(self, x):
        return self.core(x)


def published_polyphase(name, filt_size=1, adaptive=False, share=1.0, border='circular', strided_stem=False):
    """A network in eval mode and float64, with random weights.

    Args:
        name: that of torchvision.
        filt_size: taps of its filters.
        adaptive: whether DDAC filters.
        share: channels between the convolutions that choose, as a share of those in front.
        border: of all other convolutions.
        strided_stem: whether the first convolution keeps its stride.
    """
    core = getattr(torchvision.models, name)(num_classes=CLASSES)
    build = functools.partial(PolyphaseInvariantDown2D, filt_size=filt_size, adaptive=adaptive, share=share)
    core.maxpool = nn.Sequential(Wrapped(), nn.MaxPool2d(2, 1), build(64))
    if not strided_stem:
        core.conv1.stride = (1, 1)
        core.maxpool.insert(0, PolyphaseInvariantDown2D(64, share=share))
    for stage in (core.layer2, core.layer3, core.layer4):
        block = stage[0]
        last = 'conv3' if hasattr(block, 'conv3') else 'conv2'
        reader, skip = getattr(block, last), block.downsample
        for conv in (block.conv1, block.conv2, skip[0]):
            conv.stride = (1, 1)
        leader = build(reader.in_channels)
        setattr(block, last, nn.Sequential(leader, reader))
        block.downsample = nn.Sequential(build(skip[0].in_channels, leader=leader), *skip)
    for module in core.modules():
        if isinstance(module, nn.Conv2d) and module.padding != 'same':
            module.padding_mode = border
    return randomise(Published(core)).double().eval()


def hyperparameters(border='circular', extras=(), **layer):
    """What their trainer saves with the weights: Python classes and partial calls of them."""
    filtered = functools.partial(DDAC, kernel_size=3, pad_type='circular', group=8)
    keywords = {'get_logits': LPSLogitLayersV2, 'logits_pad': 'circular', 'antialias_layer': filtered, **layer}
    return {
        'padding_mode': border,
        'pooling_layer': functools.partial(PolyphaseInvariantDown2D, **keywords),
        'extras_model': {'maxpool_zpad': False, 'logits_channels': None, **dict(extras)},
    }


def save_polyphase(state_dict, path, **hyper):
    """As pytorch-lightning does; without hyperparameters if `hyper` is empty."""
    content = {'epoch': 89, 'state_dict': {key: value.float() for key, value in state_dict.items()}}
    if hyper:
        content |= {'hparams_name': 'kwargs', 'hyper_parameters': hyperparameters(**hyper)}
    torch.save(content, path)
