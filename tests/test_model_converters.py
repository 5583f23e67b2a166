import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from mmengine.registry import MODELS

from tests.checkpoints.networks import CLASSES, published, published_adaptive, save
from tests.checkpoints.published_polyphase import published_polyphase

CONVERTERS = Path(__file__).parents[1] / 'tools' / 'model_converters'
NETWORKS = {
    'resnet18_lpf3': lambda: published('resnet18', 3),
    'resnet50_lpf4': lambda: published('resnet50'),
    'mobilenet_v2_lpf4': lambda: published('mobilenet_v2'),
    'resnet18_ddac3': lambda: published_adaptive('resnet18'),
    'resnet18_lps2': lambda: published_polyphase('resnet18', 2, share=0.125),
    'resnet18_lps3': lambda: published_polyphase('resnet18', 3, adaptive=True),
}


@pytest.fixture
def convert(monkeypatch):
    """Runs a converter in this process, as from the command line."""

    def run(tool, *args):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, args)])
        runpy.run_path(str(CONVERTERS / tool), run_name='__main__')

    return run


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
    [*((arch, 'mmseg') for arch in NETWORKS), ('resnet18_lpf3', 'mmdet'), ('resnet18_lpf3', 'mmpretrain')],
)
@torch.no_grad()
def test_backbone_of_openmmlab_gives_the_published_map(arch, library, convert, tmp_path, capsys):
    if find_spec(library) is None or (library == 'mmdet' and find_spec('mmcv._ext') is None):
        pytest.skip(f'{library} does not run in this stack')
    reference, (src, dst) = NETWORKS[arch](), (tmp_path / 'src.pth', tmp_path / 'dst.pth')
    save(reference, src)
    convert('published2mm.py', src, dst, '--arch', arch, '--library', library)
    out = capsys.readouterr().out
    assert 'no such head' in out
    config = eval(out.rpartition('backbone=')[2])  # what it tells to paste into a config
    backbone = MODELS.build(config)
    backbone.init_weights()
    backbone.double().eval()
    x = images(arch)
    torch.testing.assert_close(backbone(x)[-1], last_map(reference, x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('arch', ['resnet18_lpf3', 'resnet18_ddac3', 'resnet18_lps3'])
@torch.no_grad()
def test_checkpoint_of_timm_gives_the_published_logits(arch, convert, tmp_path, capsys):
    reference, (src, dst) = NETWORKS[arch](), (tmp_path / 'src.pth', tmp_path / 'dst.safetensors')
    save(reference, src)
    convert('published2timm.py', src, dst, '--arch', arch, '--num-classes', CLASSES)
    model = eval(capsys.readouterr().out.splitlines()[-1], {'timm': timm}).double().eval()
    x = images(arch)
    torch.testing.assert_close(model(x), reference(x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ('tool', 'arch', 'message'),
    [
        ('published2mm.py', 'wide_resnet50_2_lpf4', 'arch must be one of resnet18'),
        ('published2mm.py', 'resnet18_lpf4', 'no such file'),
        ('published2mm.py', 'resnet18_lps3', 'no such file'),
        ('published2timm.py', 'resnet18_lpf4', 'no such file'),
        ('published2timm.py', 'resnet18_lpf99', 'resnet18_lpf99'),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tool, arch, message, convert, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        convert(tool, tmp_path / 'none.pth', tmp_path / 'dst.pth', '--arch', arch)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_an_existing_file_is_kept(convert, tmp_path, capsys):
    (tmp_path / 'dst.pth').write_bytes(b'mine')
    with pytest.raises(SystemExit):
        convert('published2mm.py', tmp_path / 'src.pth', tmp_path / 'dst.pth', '--arch', 'resnet18_lpf4')
    assert 'exists' in capsys.readouterr().err
    assert (tmp_path / 'dst.pth').read_bytes() == b'mine'
