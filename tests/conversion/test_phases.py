"""Which polyphase layers choose together, and that networks are then exactly shift-invariant."""

import copy
import pickle

import pytest
import timm
import torch
import torchvision
from torch import nn

from antialias_plugins import AntialiasWarning, UnsupportedModelError, convert_antialias, plan_antialias
from antialias_plugins.conversion.examples import default_example
from antialias_plugins.conversion.phases import PhaseConflict, phase_groups
from antialias_plugins.conversion.trace import trace
from antialias_plugins.layers import BlurPool2d
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d

NETWORKS = {
    'torchvision-resnet18': lambda: torchvision.models.resnet18(num_classes=10),
    'torchvision-resnet50': lambda: torchvision.models.resnet50(num_classes=10, width_per_group=8),
    'timm-resnet26d': lambda: timm.create_model('resnet26d', num_classes=10),
    'densenet121': lambda: torchvision.models.densenet121(num_classes=10),
    'mobilenet_v2': lambda: torchvision.models.mobilenet_v2(num_classes=10),
    'regnetx_002': lambda: timm.create_model('regnetx_002', num_classes=10),
}
SHIFTS = [(1, 0), (3, -7), (5, 16)]


class Largest(PolyphasePool2d):
    """Takes the component of the largest norm."""

    def choose(self, components):
        return torch.linalg.vector_norm(components.double(), dim=(2, 3, 4)).argmax(1)


class Branches(nn.Module):
    """Two branches that a sum joins, the second of which may stride otherwise."""

    def __init__(self, second):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
        self.second = second

    def forward(self, x):
        return self.first(x) + self.second(x)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.ReLU())
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, x):
        return x + self.up(self.down(x))


def groups_of(model):
    plan = plan_antialias(model, 'lpf1', stem=True)
    groups, _ = phase_groups(trace(model, default_example(model)), plan.sites)
    return [[site.roots[0] for site in group] for group in groups]


def largest_change(model, images, shifts):
    with torch.no_grad():
        still = model(images)
        return max(
            float((model(images.roll(shift, (2, 3))) - still).abs().max() / still.abs().max()) for shift in shifts
        )


@pytest.mark.parametrize(
    ('name', 'filt_size', 'dtype'),
    [
        ('torchvision-resnet18', 1, torch.float64),
        ('torchvision-resnet18', 3, torch.float32),
        ('torchvision-resnet50', 3, torch.float64),
        ('timm-resnet26d', 3, torch.float64),
        ('densenet121', 3, torch.float32),
        ('mobilenet_v2', 1, torch.float32),
        ('regnetx_002', 1, torch.float64),
    ],
    ids=lambda value: str(value).removeprefix('torch.'),
)
def test_logits_do_not_change_under_any_circular_shift(name, filt_size, dtype):
    model = NETWORKS[name]().to(dtype).eval()
    convert_antialias(model, {'type': Largest, 'filt_size': filt_size}, stem=True, padding='circular')
    images = torch.rand(2, 3, 128, 96, dtype=dtype)
    assert largest_change(model, images, SHIFTS) <= {torch.float64: 1e-14, torch.float32: 2e-6}[dtype]


@pytest.mark.parametrize(('pool', 'stem'), [('lps3', 'lps1'), ('aps2', 'lps1')])
def test_nor_where_the_stem_has_no_filter(pool, stem):
    model = NETWORKS['torchvision-resnet18']().double().eval()
    convert_antialias(model, pool, stem=stem, padding='circular', maxpool='published')
    assert largest_change(model, torch.rand(2, 3, 128, 96, dtype=torch.float64), SHIFTS) <= 1e-14


def test_they_do_where_the_skip_path_chooses_by_itself():
    model = NETWORKS['torchvision-resnet18']().double().eval()
    convert_antialias(model, Largest, stem=True, padding='circular')
    for module in model.modules():
        if isinstance(module, PolyphasePool2d):
            module.leads = True
    assert largest_change(model, torch.rand(2, 3, 128, 96, dtype=torch.float64), [(3, -7)]) > 1e-6


def test_skip_path_follows_the_main_path():
    groups = groups_of(torchvision.models.resnet50())
    stages = [[f'layer{n}.0.conv2', f'layer{n}.0.downsample.0'] for n in (2, 3, 4)]
    assert groups == [['conv1'], ['maxpool'], *stages]


def test_a_stage_that_shrinks_to_one_pixel_is_no_exception():
    """On a small example image; larger ones have to be exact all the same."""
    model = NETWORKS['torchvision-resnet18']().double().eval()
    example = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    convert_antialias(model, Largest, stem=True, padding='circular', example_input=example)
    assert not model.layer4[0].downsample[0].aa.leads
    assert largest_change(model, torch.rand(2, 3, 128, 96, dtype=torch.float64), [(3, -7), (5, 16)]) <= 1e-14


def test_every_path_to_a_resolution_follows_the_first():
    groups = groups_of(timm.create_model('hrnet_w18_small'))
    assert [len(group) for group in groups] == [1, 1, 8, 8, 5]
    assert all(
        'fuse_layers' in root or 'transition' in root or 'downsamp' in root for group in groups[2:] for root in group
    )


def test_branches_of_two_steps_are_aligned_step_by_step():
    two_steps = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU())
    model = Branches(copy.deepcopy(two_steps))
    model.first = two_steps
    assert groups_of(model) == [['first.0', 'second.0'], ['first.2', 'second.2']]


@pytest.mark.parametrize(
    'second',
    [
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 1)),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1)),
    ],
    ids=['strides-alike', 'has-no-pixels'],
)
def test_branches_that_fit(second):
    assert len(groups_of(Branches(second))) == 1


def test_branches_that_do_not():
    model = Branches(nn.Conv2d(3, 4, 2, 2))
    plan = plan_antialias(model, 'lpf1', stem=True, skip=['second'])
    with pytest.raises(PhaseConflict, match=r'add reads maps that were subsampled by first\.0 and nothing'):
        phase_groups(trace(model, default_example(model)), plan.sites)
    description = repr(model)
    with pytest.raises(UnsupportedModelError, match=r'left as it is: add reads maps .* no common phase aligns them'):
        convert_antialias(model, Largest, stem=True, skip=['second'])
    assert repr(model) == description


@pytest.mark.parametrize(('pool', 'stem', 'links'), [('lpf3', 'aps1', 1), ('aps3', 'lpf3', 4)])
def test_a_stem_of_another_kind_chooses_by_itself_or_not_at_all(pool, stem, links):
    model = convert_antialias(NETWORKS['torchvision-resnet18']().eval(), pool, stem=stem)
    layers = [module for module in model.modules() if isinstance(module, PolyphasePool2d)]
    assert len({layer.link for layer in layers}) == links
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 10)


def test_branches_of_which_one_does_not_choose_are_refused():
    def pool(channels, stride):
        return BlurPool2d(channels, 3, stride) if channels == 64 else Largest(channels, stride)

    model = NETWORKS['torchvision-resnet18']()
    description = repr(model)
    message = r'subsampled by layer2\.0\.conv1 .* and layer2\.0\.downsample\.0 .* meet, and not all .* choose a phase'
    with pytest.raises(UnsupportedModelError, match=message):
        convert_antialias(model, pool)
    assert repr(model) == description


def test_maps_that_are_enlarged_are_announced():
    with pytest.warns(AntialiasWarning, match='interpolate in up enlarges a map without regard to its phase'):
        convert_antialias(UNet(), Largest, stem=True)


@pytest.mark.parametrize(
    'copied', [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=['copy', 'pickle']
)
def test_copies_choose_for_themselves(copied):
    model = convert_antialias(
        NETWORKS['torchvision-resnet18']().double().eval(), Largest, stem=True, padding='circular'
    )
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    expected = model(images)
    copy_of_model = copied(model)
    model(torch.rand(2, 3, 64, 64, dtype=torch.float64))
    assert torch.equal(copy_of_model(images), expected)
    links = [
        {module.link for module in m.modules() if isinstance(module, PolyphasePool2d)} for m in (model, copy_of_model)
    ]
    assert len(links[0]) == len(links[1]) == 5
    assert not links[0] & links[1]
