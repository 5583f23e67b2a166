"""Files of learnable_polyphase_sampling, against a network written after its formulas.

Published: every stride is taken by a layer in front of a block's last convolution, and the max pool is 2x2 between two
layers, of which the first has no low-pass filter. No file of the authors was at hand: names, shapes and computation are
those of their code, not of a download.
"""

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from antialias_plugins import AntialiasWarning, convert_antialias
from antialias_plugins.checkpoints import CheckpointError, convert_state_dict
from antialias_plugins.layers import LearnablePolyphasePool2d
from tests.checkpoints.networks import CLASSES, randomise

TAPS = {1: [1.0], 2: [1.0, 1.0], 3: [1.0, 2.0, 1.0]}


class Published(nn.Module):
    """Low-pass, four components row by row, that of the largest mean of two convolutions; or that of `leader`."""

    def __init__(self, channels, filt_size, leader=None):
        super().__init__()
        self.leader = [leader]  # no submodule
        self.component_selection = nn.Module()
        self.component_selection.register_buffer('gumbel_tau', torch.tensor(0.01))
        if leader is None:
            logits = self.component_selection.get_logits = nn.Module()
            logits.conv1 = nn.Conv2d(channels, channels, 3, padding='same', padding_mode='circular')
            logits.conv2 = nn.Conv2d(channels, channels, 3, padding='same', padding_mode='circular')
        if filt_size > 1:
            taps = torch.tensor(TAPS[filt_size])
            self._antialias_layer = nn.Module()
            self._antialias_layer.register_buffer(
                'filt', (taps[:, None] * taps / taps.sum() ** 2).expand(channels, 1, -1, -1)
            )

    def forward(self, x):
        if hasattr(self, '_antialias_layer'):
            filt = self._antialias_layer.filt
            before, after = (filt.shape[-1] - 1) // 2, filt.shape[-1] // 2
            x = F.conv2d(F.pad(x, (before, after, before, after), 'circular'), filt, groups=x.shape[1])
        parts = torch.stack([x[:, :, a::2, b::2] for a in (0, 1) for b in (0, 1)], 1)
        if self.leader[0] is None:
            logits = self.component_selection.get_logits
            scores = [logits.conv2(logits.conv1(part).relu()).mean((1, 2, 3)) for part in parts.unbind(1)]
            self.phase = torch.stack(scores, 1).argmax(1)
        return parts[torch.arange(len(x)), (self if self.leader[0] is None else self.leader[0]).phase]


class Wrapped(nn.Module):
    def forward(self, x):
        return F.pad(x, (0, 1, 0, 1), 'circular')


def published(name, filt_size):
    core = getattr(torchvision.models, name)(num_classes=CLASSES)
    core.conv1.stride = (1, 1)
    core.maxpool = nn.Sequential(Published(64, 1), Wrapped(), nn.MaxPool2d(2, 1), Published(64, filt_size))
    for stage in (core.layer2, core.layer3, core.layer4):
        block = stage[0]
        last = 'conv3' if hasattr(block, 'conv3') else 'conv2'
        reader, skip = getattr(block, last), block.downsample
        for conv in (block.conv1, block.conv2, skip[0]):
            conv.stride = (1, 1)
        leader = Published(reader.in_channels, filt_size)
        setattr(block, last, nn.Sequential(leader, reader))
        block.downsample = nn.Sequential(Published(skip[0].in_channels, filt_size, leader), *skip)
    for module in core.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = 'circular'
    model = nn.Module()
    model.core = core
    return randomise(model).double().eval()


def ours(library, name, filt_size):
    model = (
        timm.create_model(name, num_classes=CLASSES)
        if library == 'timm'
        else getattr(torchvision.models, name)(num_classes=CLASSES)
    )
    pool = {'type': LearnablePolyphasePool2d, 'filt_size': filt_size}
    convert_antialias(model.double().eval(), pool, stem=True, maxpool='published', padding='circular')
    stem = model.act1 if library == 'timm' else model.relu
    link, stem.aa = stem.aa.link, LearnablePolyphasePool2d(64).double().eval()
    stem.aa.lead(link)
    return model


@pytest.mark.parametrize('library', ['torchvision', 'timm'])
@pytest.mark.parametrize(('name', 'filt_size'), [('resnet18', 2), ('resnet50', 3)])
@torch.no_grad()
def test_file_gives_the_published_logits(name, filt_size, library):
    reference, model = published(name, filt_size), ours(library, name, filt_size)
    weights, report = convert_state_dict(reference.state_dict(), model)
    model.load_state_dict(weights, strict=True)
    x = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    torch.testing.assert_close(model(x), reference.core(x), rtol=1e-9, atol=1e-11)
    assert report.layout == 'LPS'
    assert len(report.loaded) + len(report.dropped) == len(reference.state_dict())
    assert {place.name.rpartition('.')[2] for place in report.dropped} == {'filt', 'gumbel_tau'}


def test_a_filter_that_the_published_stem_lacks_is_announced():
    model = timm.create_model('resnet18_lps2', num_classes=CLASSES).double()
    with pytest.warns(AntialiasWarning, match='trained with 7 filters; the network has 8'):
        convert_state_dict(published('resnet18', 2).state_dict(), model)


def test_other_choices_are_refused():
    weights, model = published('resnet18', 2).state_dict(), ours('torchvision', 'resnet18', 2)
    weights['core.maxpool.3.component_selection.get_logits._phi.0.weight'] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r'left over in the file: core\.maxpool\.3.*_phi'):
        convert_state_dict(weights, model)
    with pytest.raises(CheckpointError, match='left over in the file'):
        convert_state_dict(published('resnet18', 2).state_dict(), torchvision.models.resnet18(num_classes=CLASSES))
