"""The polyphase names are exactly invariant to circular shifts, unless another border is asked for."""

import pytest
import timm
import torch
from torch import nn

from antialias_plugins.layers import AdaptivePolyphasePool2d, LearnablePolyphasePool2d

SHIFTS = [(1, 0), (3, -7), (17, 16)]


def changes(model, images):
    with torch.no_grad():
        still = model(images)
        moved = (model(images.roll(shift, (2, 3))) for shift in SHIFTS)
        return [float((logits - still).abs().max() / still.abs().max()) for logits in moved]


@pytest.mark.parametrize(
    ('name', 'dtype', 'rounding'),
    [
        ('resnet18_aps2', torch.float32, 2e-6),
        ('resnet18_lps3', torch.float64, 1e-14),
        ('resnet50_aps3', torch.float64, 1e-14),
        ('resnet50_lps2', torch.float32, 2e-6),
    ],
)
def test_logits_are_invariant(name, dtype, rounding):
    """Where the published repositories fail as well: a ResNet-50, and maps that are not square."""
    model = timm.create_model(name, num_classes=10).to(dtype).eval()
    assert max(changes(model, torch.rand(2, 3, 64, 96, dtype=dtype))) <= rounding


@pytest.mark.parametrize(
    ('name', 'arguments'),
    [
        ('resnet18_lps3', {'stem': 'lps1', 'adaptive': {'groups': 8, 'softmax': 'joint'}}),
        ('resnet18_aps3', {'stem': 'aps1', 'norm': 'linf', 'adaptive': {'groups': 4}}),
        ('resnet18_lps1', {}),
    ],
    ids=['adaptive-lps', 'adaptive-aps', 'no-filter'],
)
def test_so_they_are_with_filters_of_other_kinds(name, arguments):
    model = timm.create_model(name, num_classes=10, **arguments).double().eval()
    assert type(model.act1.aa) is type(model.maxpool.aa) and model.act1.aa.filt_size == 1
    assert max(changes(model, torch.rand(2, 3, 64, 96, dtype=torch.float64))) <= 1e-14


@pytest.mark.parametrize('arguments', [{'padding_mode': 'zeros'}, {'stem': False}], ids=['borders', 'stem'])
def test_what_invariance_takes(arguments):
    model = timm.create_model('resnet18_aps2', num_classes=10, **arguments).double().eval()
    assert max(changes(model, torch.rand(2, 3, 96, 64, dtype=torch.float64))) > 1e-6


@pytest.mark.parametrize('padding_mode', ['zeros', 'circular'])
def test_border(padding_mode):
    model = timm.create_model('resnet18_aps3', num_classes=10, padding_mode=padding_mode)
    padded = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.padding != (0, 0)]
    assert {conv.padding_mode for conv in padded} == {padding_mode}
    assert {m.padding_mode for m in model.modules() if isinstance(m, AdaptivePolyphasePool2d)} == {padding_mode}


def test_border_of_pools_alone():
    model = timm.create_model('resnet18_lps3', num_classes=10, padding='pools')
    assert model.conv1.padding_mode == 'zeros' and model.maxpool.aa.padding_mode == 'circular'
    with pytest.raises(ValueError, match="padding_mode must be 'circular' with padding='pools', got 'zeros'"):
        timm.create_model('resnet18_lps3', padding='pools', padding_mode='zeros')


def test_the_stem_has_the_border_of_the_others():
    model = timm.create_model('resnet18_ddac3', num_classes=10, stem='lpf5', padding_mode='replicate')
    assert (model.act1.aa.padding_mode, model.act1.aa.filt_size) == ('replicate', 5)


@pytest.mark.parametrize(
    ('name', 'layer'), [('resnet18_aps3', AdaptivePolyphasePool2d), ('resnet18_lps2', LearnablePolyphasePool2d)]
)
def test_skip_paths_follow(name, layer):
    model = timm.create_model(name, num_classes=10)
    pools = {fqn: m for fqn, m in model.named_modules() if isinstance(m, layer)}
    assert {m.filt_size for m in pools.values()} == {int(name[-1])}
    followers = {fqn for fqn, m in pools.items() if not m.leads}
    assert followers == {f'layer{n}.0.downsample.0.aa' for n in (2, 3, 4)}
    assert len(pools) == 8
