"""`antialias weights convert`, from files as their authors saved them to the loaders of timm and OpenMMLab."""

import re
from importlib.util import find_spec

import numpy as np
import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint

from tests.checkpoints.networks import CLASSES, published, published_adaptive, save
from tests.checkpoints.published_polyphase import published_polyphase
from tests.checkpoints.published_segmentors import (
    deeplab_v3,
    deeplab_v3_plus,
    deeplab_v3_plus_weights,
    deeplab_v3_weights,
)
from tests.checkpoints.test_segmentors import CONFIGS, DDAC, DEEPLAB_V3, TINY, logits, shrink

NETWORKS = {
    'resnet18_lpf3': lambda: published('resnet18', 3),
    'resnet50_lpf4': lambda: published('resnet50'),
    'mobilenet_v2_lpf4': lambda: published('mobilenet_v2'),
    'resnet18_ddac3': lambda: published_adaptive('resnet18'),
    'resnet18_lps3': lambda: published_polyphase('resnet18', 3, adaptive=True, share=0.125),
}

MODULE = 'module.{}'.format


@pytest.fixture
def convert(antialias):
    return lambda *args: antialias('weights', 'convert', *args)


def last_map(model, x):
    """The map in front of a published network's head; that of MobileNetV2 in front of its last 1x1 convolution too."""
    model = getattr(model, 'core', model)
    if hasattr(model, 'features'):
        return model.features[:-1](x)
    for name in ('conv1', 'bn1', 'relu', 'maxpool', 'layer1', 'layer2', 'layer3', 'layer4'):
        x = getattr(model, name)(x)
    return x


def images(arch):
    """Sides that the strides do not divide, but for the polyphase layers, whose authors continue them with zeros."""
    return torch.rand(1, 3, 96, 128 if 'lps' in arch else 112, dtype=torch.float64)


@pytest.mark.parametrize(
    ('arch', 'library'),
    [
        *((arch, 'mmseg') for arch in NETWORKS if arch != 'resnet18_lpf3'),
        *(('resnet18_lpf3', library) for library in ('mmdet', 'mmpretrain')),
    ],
)
@torch.no_grad()
def test_backbone_of_openmmlab_gives_the_published_map(arch, library, convert, tmp_path):
    if find_spec(library) is None or (library == 'mmdet' and find_spec('mmcv._ext') is None):
        pytest.skip(f'{library} does not run in this stack')
    reference, (src, dst) = NETWORKS[arch](), (tmp_path / 'src.pth', tmp_path / 'dst.pth')
    save(reference, src)
    out = convert(src, dst, '--arch', arch, '--library', library).out
    assert 'no such head' in out
    config = eval(out.rpartition('backbone=')[2])  # what it tells to paste into a config
    backbone = MODELS.build(config)
    backbone.init_weights()
    backbone.double().eval()
    x = images(arch)
    torch.testing.assert_close(backbone(x)[-1], last_map(reference, x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('arch', ['resnet18_lpf3', 'resnet18_lps3'])
@torch.no_grad()
def test_checkpoint_of_timm_gives_the_published_logits(arch, convert, tmp_path):
    reference, (src, dst) = NETWORKS[arch](), (tmp_path / 'src.pth', tmp_path / 'dst.safetensors')
    save(reference, src)
    answer = convert(src, dst, '--arch', arch, '--num-classes', CLASSES)
    model = eval(answer.out.splitlines()[-1], {'timm': timm}).double().eval()
    x = images(arch)
    torch.testing.assert_close(model(x), reference(x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ('none.pth dst.pth --arch wide_resnet50_2_lpf4 --library mmseg', 'src must be a file, got none.pth'),
        ('src.pth dst.pth --arch wide_resnet50_2_lpf4 --library mmseg', 'arch must be one of resnet18'),
        ('src.pth dst.pth --arch resnet18_lpf99', "arch must be a timm network, got 'resnet18_lpf99' .*resnet18_lpf"),
        ('src.pth src.pth --arch resnet18_lpf4 --overwrite', 'src and dst must be different files'),
        ('src.pth mine.pth --arch resnet18_lpf4', 'dst must be a new file, got mine.pth, which exists'),
        ('src.pth src.pth/dst.pth --arch resnet18_lpf4', 'dst must be a file that can be written, got src.pth/dst.pth'),
        ('src.pth dst.pth', 'one of the arguments --arch --config --dsrl is required'),
        ('src.pth dst.pth --config none.py', 'config must be a file, got none.py'),
        ('src.pth dst.pth --dsrl --library mmseg', 'library must come with arch, got mmseg'),
        ('src.pth dst.pth --arch resnet18_lpf4 --backbone', 'backbone must come with config'),
        (
            'src.pth dst.pth --arch resnet18_lpf4 --library mmseg --num-classes 3',
            'num_classes must come with arch, and',
        ),
        ('src.pth dst.pth --dsrl --sha256 12345678', 'sha256 must not be given with dsrl'),
    ],
)
def test_wrong_use_is_said_before_the_work(options, message, convert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('src.pth', 'mine.pth'):
        (tmp_path / name).write_bytes(b'mine')
    answer = convert(*options.split())
    assert answer.status == 2
    assert len(answer.err.splitlines()) == 1
    assert re.search(message, answer.line)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b'mine'}


def saved_by_vainf(state):
    return {'cur_itrs': 80000, 'model_state': dict(state), 'best_score': np.float64(0.795)}


def saved_by_chenxi(state):
    return {'epoch': 50, 'state_dict': {MODULE(key): value for key, value in state.items()}, 'optimizer': {}}


@pytest.fixture
def convert_segmentor(convert, tmp_path):
    """Converts for a shrunk config; returns the answer, the config, and the path that was written."""

    def run(name, content, *options):
        config = Config.fromfile(CONFIGS / name)
        shrink(config.model).backbone.pop('init_cfg')
        source, target, leaf = (tmp_path / file for file in ('src.pth', 'dst.pth', 'config.py'))
        config.dump(leaf)
        torch.save(content, source)
        return convert(source, target, '--config', leaf, *options), config, target

    return run


def build(config):
    init_default_scope('mmseg')
    return MODELS.build(config).double()


def test_mmseg_gives_the_logits_of_ddacs_file(convert_segmentor):
    state = deeplab_v3_plus_weights('ddac3', **TINY)
    answer, config, written = convert_segmentor(DDAC.format('-ddac3'), saved_by_vainf(state))
    assert f'test.py {written.with_name("config.py")} {written}' in answer.out
    model, x = build(config.model), torch.randn(1, 3, 64, 96, dtype=torch.float64)
    load_checkpoint(model, str(written), strict=True)
    torch.testing.assert_close(logits(model, x), deeplab_v3_plus(state, x, 'ddac3', 50), rtol=1e-10, atol=1e-10)


def test_mmseg_gives_the_logits_of_chenxis_file(convert_segmentor):
    state = deeplab_v3_weights(norm='gn', **TINY)
    _, config, written = convert_segmentor(DEEPLAB_V3.format('-gnws'), saved_by_chenxi(state))
    model, x = build(config.model), torch.randn(1, 3, 65, 97, dtype=torch.float64)
    load_checkpoint(model, str(written), strict=True)
    torch.testing.assert_close(logits(model, x), deeplab_v3(state, x, depth=50), rtol=1e-10, atol=1e-10)


def test_backbone_alone(convert_segmentor):
    """R-101-GN-WS.pth.tar has a classifier too."""
    state = deeplab_v3_weights(norm='gn', **TINY)
    backbone = {MODULE(key): value for key, value in state.items() if not key.startswith('aspp.')}
    head = {MODULE('fc.weight'): torch.zeros(10, 512), MODULE('fc.bias'): torch.zeros(10)}
    answer, config, written = convert_segmentor(DEEPLAB_V3.format('-gnws'), backbone | head, '--backbone')
    assert 'no such head' in answer.out
    model = build(config.model.backbone | {'init_cfg': {'type': 'Pretrained', 'checkpoint': str(written)}})
    model.init_weights()
    assert torch.equal(model.layer4[2].conv3.weight, state['layer4.2.conv3.weight'])
    assert torch.equal(model.layer4[2].gn3.bias, state['layer4.2.bn3.bias'])


def test_a_wrong_file_ends_with_one_message(convert_segmentor, tmp_path):
    answer, _, written = convert_segmentor(
        DEEPLAB_V3.format(''), saved_by_vainf(deeplab_v3_plus_weights('ddac3', **TINY))
    )
    assert answer.status == 1
    assert 'left over in the file: backbone.maxpool.1.conv.weight' in answer.err
    assert not written.exists()
