"""Files of learnable_polyphase_sampling, against a network written after its formulas."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from antialias_plugins import AntialiasWarning, convert_antialias
from antialias_plugins.checkpoints import CheckpointError, convert_state_dict, published_arguments, read_checkpoint
from antialias_plugins.checkpoints.learnable_polyphase import trained_arguments
from tests.checkpoints.networks import CLASSES
from tests.checkpoints.published_polyphase import (
    PolyphaseInvariantDown2D,
    SAInner,
    published_polyphase,
    save_polyphase,
)

pytestmark = pytest.mark.filterwarnings('ignore::antialias_plugins.timm_models.WeightsLicenseWarning')

JOINT = {'groups': 8, 'softmax': 'joint'}
EIGHTH = {'type': 'LearnablePolyphasePool2d', 'hid_channels': 0.125}
FILES = {  # network, how it was published, and the arguments that the file has to tell
    'lps1': ('resnet18_lps1', {}, {'stem': True}),
    'lps2, small': ('resnet18_lps2', {'filt_size': 2, 'share': 0.125}, {'hid_channels': 0.125, 'stem': EIGHTH}),
    'ddac3': ('resnet18_lps3', {'filt_size': 3, 'adaptive': True}, {'adaptive': JOINT, 'stem': 'lps1'}),
    'strided stem': ('resnet18_lps3', {'filt_size': 3, 'strided_stem': True}, {'stem': False}),
    'bottleneck': ('resnet50_lps3', {'filt_size': 3, 'border': 'zeros'}, {'stem': 'lps1', 'padding': 'pools'}),
}
IN_TIMM = ('lps1', 'lps2, small', 'strided stem', 'bottleneck')
IN_TORCHVISION = ('lps2, small', 'ddac3')
ALL = {'adaptive': None, 'hid_channels': None, 'padding': 'circular'}


@pytest.fixture(scope='module', params=FILES)
def saved(request, tmp_path_factory):
    """A file, its network, our name of it and the arguments that make ours the same."""
    name, options, expected = FILES[request.param]
    torch.manual_seed(0)
    network = published_polyphase(name.partition('_')[0], **options)
    path = tmp_path_factory.mktemp('published') / 'epoch.ckpt'
    save_polyphase(network.state_dict(), path, border=options.get('border', 'circular'))
    return path, network.float(), name, {**ALL, **expected}


def layers(filt_size=1):
    """A state dict of two of its layers only."""
    pools = nn.ModuleDict({'0': PolyphaseInvariantDown2D(4), '3': PolyphaseInvariantDown2D(4, filt_size)})
    return {f'core.maxpool.{key}': tensor for key, tensor in pools.state_dict().items()}


def images():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def test_file_tells_how_its_network_is_built(saved):
    path, _, name, expected = saved
    assert trained_arguments(path, int(name[-1])) == expected
    assert published_arguments(name, path) == {key: value for key, value in expected.items() if value is not None}


@pytest.mark.parametrize('saved', IN_TIMM, indirect=True)
@torch.no_grad()
def test_timm_gives_the_published_logits(saved):
    """In double precision too, in which no rounding can hide behind a tolerance."""
    path, network, name, arguments = saved
    overlay = {'file': str(path), 'num_classes': CLASSES}
    model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=CLASSES)
    assert {key: value for key, value in model._model_args.items() if key in arguments} == arguments
    reference, x = network.double(), images().double()
    torch.testing.assert_close(model.double().eval()(x), reference(x), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize('saved', IN_TORCHVISION, indirect=True)
@torch.no_grad()
def test_torchvision_gives_the_published_logits(saved):
    path, network, name, arguments = saved
    layer = {key: arguments[key] for key in ('adaptive', 'hid_channels')}
    pool = {'type': 'LearnablePolyphasePool2d', 'filt_size': int(name[-1]), **layer}
    model = getattr(torchvision.models, name.partition('_')[0])(num_classes=CLASSES)
    convert = {key: arguments[key] for key in ('stem', 'padding')}
    convert_antialias(model.double().eval(), pool, maxpool='published', **convert)
    content = read_checkpoint(path)
    weights, report = convert_state_dict(content, model)
    model.load_state_dict(weights, strict=True)
    assert report.layout == 'LPS' and not report.notes
    assert len(report.loaded) + len(report.dropped) == len(content)
    assert {place.name.rpartition('.')[2] for place in report.dropped} <= {'filt', 'gumbel_tau'}
    torch.testing.assert_close(model(images().double()), network.double()(images().double()), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ('hyper', 'complaint'),
    [
        ({'border': 'reflect'}, "padding_mode='reflect'"),
        ({'extras': {'maxpool_zpad': True}}, 'maxpool_zpad=True'),
        ({'selection_noantialias': True}, 'selection_noantialias=True'),
        ({'comp_convex': True}, 'comp_convex=True'),
        ({'logits_pad': 'zeros'}, "logits_pad='zeros'"),
        ({'get_logits': SAInner}, 'logits of SAInner'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_what_ours_cannot_compute_is_refused(hyper, complaint, tmp_path):
    save_polyphase(layers(), tmp_path / 'a.ckpt', **hyper)
    with pytest.raises(CheckpointError, match=rf'a\.ckpt: trained with {complaint}, which'):
        trained_arguments(tmp_path / 'a.ckpt', 1)


def test_a_file_without_hyperparameters_has_the_border_of_its_name(tmp_path):
    save_polyphase(layers(2), tmp_path / 'a.ckpt')
    assert published_arguments('resnet18_lps2', tmp_path / 'a.ckpt') == {'padding': 'circular', 'stem': 'lps1'}
    save_polyphase(layers(3), tmp_path / 'a.ckpt')
    assert published_arguments('resnet50_lps3', tmp_path / 'a.ckpt')['padding'] == 'pools'


def test_filters_of_another_size_are_refused(tmp_path):
    save_polyphase(layers(2), tmp_path / 'a.ckpt')
    with pytest.raises(CheckpointError, match=r'trained with filters of 2 taps \(_lps2\), got 3'):
        published_arguments('resnet18_lps3', tmp_path / 'a.ckpt')


@pytest.mark.parametrize('change', ['no convolutions', 'two filters'])
def test_layers_of_other_kinds_are_refused(change, tmp_path):
    weights = layers(2)
    if change == 'no convolutions':
        weights = {key: tensor for key, tensor in weights.items() if 'get_logits' not in key}
    else:
        weights['core.layer2.0.conv2.0._antialias_layer.filt'] = torch.zeros(4, 1, 3, 3)
    save_polyphase(weights, tmp_path / 'a.ckpt')
    with pytest.raises(CheckpointError, match=r'not chosen by convolutions|filters of \[2, 3\] taps'):
        trained_arguments(tmp_path / 'a.ckpt', 2)


def test_arguments_that_contradict_the_file_are_refused(tmp_path):
    save_polyphase(layers(2), tmp_path / 'a.ckpt')
    for arguments in ({'stem': True}, {'hid_channels': 4}, {'padding': 'keep'}):
        with pytest.raises(ValueError, match=f'{next(iter(arguments))} must be .* with the weights'):
            timm.create_model(
                'resnet18_lps2', True, pretrained_cfg_overlay={'file': str(tmp_path / 'a.ckpt')}, **arguments
            )


@pytest.mark.parametrize(
    ('published', 'name', 'note'),
    [
        ({'filt_size': 2}, 'resnet18_lps2', r"7 filters; the network has 8 \(convert_antialias\(\.\.\., stem='lps1'"),
        ({}, 'resnet18_lps3', 'trained without filters; the network has filters of 3 taps'),
    ],
    ids=['stem', 'all'],
)
def test_filters_that_the_file_was_trained_without_are_announced(published, name, note):
    model = timm.create_model(name, num_classes=CLASSES).double()
    with pytest.warns(AntialiasWarning, match=note):
        convert_state_dict(published_polyphase('resnet18', **published).state_dict(), model)


def test_another_softmax_is_announced():
    weights = published_polyphase('resnet18', 3, adaptive=True).state_dict()
    model = timm.create_model('resnet18_lps3', num_classes=CLASSES, stem='lps1', adaptive={'groups': 8}).double()
    with pytest.warns(AntialiasWarning, match="trained with softmax='joint'"):
        convert_state_dict(weights, model)


def test_other_networks_are_refused():
    weights = published_polyphase('resnet18').state_dict()
    binomial = timm.create_model('resnet18_lpf2', num_classes=CLASSES)
    plain = torchvision.models.resnet18(num_classes=CLASSES)
    adaptive = timm.create_model('resnet18_lps3', num_classes=CLASSES, adaptive=JOINT)
    for model, complaint in ((binomial, 'left over'), (plain, 'left over'), (adaptive, 'missing')):
        with pytest.raises(CheckpointError, match=f'{complaint} in the file'):
            convert_state_dict(weights, model)
    weights['core.maxpool.3.component_selection.get_logits._phi.0.weight'] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r'left over in the file: core\.maxpool\.3.*_phi'):
        convert_state_dict(weights, timm.create_model('resnet18_lps1', num_classes=CLASSES))
