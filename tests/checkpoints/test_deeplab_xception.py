"""Published networks of pytorch-deeplab-xception in mmseg: every key, every number, and the outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AntialiasWarning
from antialias_plugins.checkpoints import CheckpointError, convert_state_dict, load_checkpoint
from tests.openmmlab.segmentation.published_deeplab import Published

ROOT = Path(__file__).parents[2]
LEAF = 'deeplabv3plus_{}_4xb4-33k_voc12sbd-513x513.py'
RESNET = dict(depth=50, stem_channels=4, base_channels=4)
# name of the config, arguments of Published, changes of the config that make it as narrow
NETWORKS = {
    'resnet-d16': ('r101-d16', ('resnet', 16), RESNET, dict(in_channels=128, c1_in_channels=16)),
    'resnet-d8': ('r101-d8', ('resnet', 8), RESNET, dict(in_channels=128, c1_in_channels=16)),
    'mobilenet-d16': ('mobilenetv2-d16', ('mobilenet', 16), dict(), dict()),
    'drn-d8': ('drn54-d8', ('drn', 8), dict(base_channels=1), dict(in_channels=32, c1_in_channels=16)),
}


def load_config(name, backbone, head, classes=5):
    config = Config.fromfile(ROOT / 'configs' / 'deeplab_xception' / LEAF.format(name))
    config.model.backbone |= dict(init_cfg=None, norm_cfg=dict(type='BN'), **backbone)
    config.model.decode_head |= dict(norm_cfg=dict(type='BN'), num_classes=classes, **head)
    return config


def build(name, **kwargs):
    init_default_scope('mmseg')
    leaf, _, backbone, head = NETWORKS[name]
    config = load_config(leaf, backbone, dict(channels=16, c1_channels=3) | head, **kwargs)
    return MODELS.build(config.model).double().eval()


def save(published, path):
    """What the project's training writes; ``best_pred`` is a number of NumPy."""
    torch.save(dict(epoch=50, state_dict=published.state, optimizer={}, best_pred=np.float64(0.5)), path)


@pytest.mark.parametrize('name', NETWORKS)
@torch.no_grad()
def test_logits_are_the_published_ones(name, tmp_path):
    published = Published(*NETWORKS[name][1])
    save(published, tmp_path / 'model_best.pth.tar')
    model = build(name)

    report = load_checkpoint(model, tmp_path / 'model_best.pth.tar')

    copies = {key for key in published.state if '_level_features.' in key}
    assert bool(copies) == name.startswith('mobilenet')
    assert {place.name for place in report.dropped} == copies
    assert len(report.loaded) + len(copies) == len(published.state)
    assert not (report.kept or report.zeroed or report.notes)
    # maps of 20 x 21 or 39 x 41, so that the largest rate reaches another pixel, and odd, so that corners matter
    images = torch.rand(1, 3, 305, 321, dtype=torch.float64)
    meta = [dict(ori_shape=images.shape[2:], img_shape=images.shape[2:], pad_shape=images.shape[2:])]
    torch.testing.assert_close(model.inference(images, meta), published(images), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('name', ['resnet-d16', 'mobilenet-d16', 'drn-d8'])
def test_every_tensor_arrives_once(name):
    published = Published(*NETWORKS[name][1])
    values, report = convert_state_dict(published.state, build(name))
    back = {key: key for key in report.loaded} | {new: old for old, new in report.renamed}
    assert values.keys() == set(report.loaded) == back.keys()
    assert len(set(back.values())) == len(back)
    assert all(torch.equal(values[key], published.state[old]) for key, old in back.items())


@pytest.mark.parametrize(
    ('leaf', 'published'),
    [
        ('r101-d16', dict(backbone='resnet', output_stride=16, blocks=(3, 4, 23, 3))),
        ('r101-d8', dict(backbone='resnet', output_stride=8, blocks=(3, 4, 23, 3))),
        ('drn54-d8', dict(backbone='drn', output_stride=8)),
    ],
    ids=['resnet-d16', 'resnet-d8', 'drn-d8'],
)
def test_keys_and_shapes_of_the_full_network(leaf, published):
    init_default_scope('mmseg')
    state = Published(classes=21, width=1, device='meta', **published).state
    with torch.device('meta'):
        model = MODELS.build(load_config(leaf, {}, {}, classes=21).model)
        values, report = convert_state_dict(state, model)
    assert values.keys() == model.state_dict().keys()
    assert len(state) == len(report.loaded)


def test_size_of_the_resnet_is_the_published_one():
    """DSRL counts 60.49 million for it with 19 classes, 1.146 million of them in its own branch."""
    init_default_scope('mmseg')
    with torch.device('meta'):
        model = MODELS.build(load_config('r101-d16', {}, {}, classes=19).model)
    assert sum(value.numel() for value in model.parameters()) / 1e6 == pytest.approx(60.49 - 1.146, abs=0.006)


@pytest.mark.parametrize('method', ['lpf3', 'ddac3'])
def test_published_weights_fit_an_antialiased_network(method):
    init_default_scope('mmseg')
    backbone = dict(RESNET, base_channels=8, stem_channels=8)
    head = dict(in_channels=256, c1_in_channels=32, channels=32, c1_channels=6)
    model = MODELS.build(load_config(f'r101-{method}-d16', backbone, head).model)
    _, report = convert_state_dict(Published('resnet', 16, width=1 / 8).state, model)
    adaptive = {key for key in model.state_dict() if '.aa.' in key}
    assert bool(adaptive) == (method == 'ddac3')
    assert {place.name for place in report.kept} == adaptive


def test_other_padding_is_noted():
    state = Published('mobilenet', 16).state
    init_default_scope('mmseg')
    head = dict(channels=16, c1_channels=3)
    model = MODELS.build(load_config('mobilenetv2-d16', dict(padding='depthwise'), head).model)
    with pytest.warns(AntialiasWarning, match='padding in front of every block'):
        convert_state_dict(state, model)


def change(state, **changes):
    """A state dict with other tensors; None removes one."""
    changed = state | {key.replace('__', '.'): value for key, value in changes.items()}
    return {key: value for key, value in changed.items() if value is not None}


def xception():
    """The head on a backbone of the project's own Xception, which computes something else than the paper's."""
    state = {key: value for key, value in Published('resnet', 16).state.items() if not key.startswith('backbone.')}
    return state | {'backbone.block1.rep.0.conv1.weight': torch.zeros(4, 1, 3, 3)}


@pytest.mark.parametrize(
    ('name', 'state', 'message'),
    [
        ('drn-d8', lambda: Published('resnet', 8).state, 'left over in the file: backbone.conv1.weight'),
        ('resnet-d16', lambda: Published('drn', 8).state, 'left over in the file: backbone.layer0.0.weight'),
        ('resnet-d16', xception, 'left over in the file: backbone.block1.rep.0.conv1.weight'),
        (
            'resnet-d16',
            lambda: change(Published('resnet', 16).state, decoder__extra__weight=torch.zeros(1)),
            'left over in the file: decoder.extra.weight',
        ),
        (
            'resnet-d16',
            lambda: change(Published('resnet', 16).state, aspp__bn1__bias=None),
            'missing in the file: decode_head.bottleneck.bn.bias',
        ),
        (
            'resnet-d16',
            lambda: Published('resnet', 16, classes=21).state,
            r"other shapes: decode_head.conv_seg.weight \(21, 16, 1, 1\) in the file.*skip=\['decode_head.conv_seg",
        ),
        (
            'mobilenet-d16',
            lambda: change(
                Published('mobilenet', 16).state, backbone__high_level_features__9__conv__1__bias=torch.zeros(384)
            ),
            'backbone.high_level_features.9.conv.1.bias and backbone.features.9.conv.1.bias are one tensor',
        ),
    ],
    ids=['resnet for drn', 'drn for resnet', 'xception', 'left over', 'missing', 'classes', 'copies'],
)
def test_wrong_files_are_refused(name, state, message):
    model = build(name)
    with pytest.raises(CheckpointError, match=message):
        convert_state_dict(state(), model)


def test_converter_writes_what_mmengine_loads(tmp_path, antialias):
    published = Published('drn', 8)
    leaf, _, backbone, head = NETWORKS['drn-d8']
    load_config(leaf, backbone, dict(channels=16, c1_channels=3) | head).dump(tmp_path / 'config.py')
    save(published, tmp_path / 'src.pth')
    paths = [tmp_path / name for name in ('src.pth', 'dst.pth', 'config.py')]

    answer = antialias('weights', 'convert', *paths[:2], '--config', paths[2])

    assert 'pytorch-deeplab-xception' in answer.out
    model = build('drn-d8')
    written = torch.load(tmp_path / 'dst.pth', weights_only=False)
    model.load_state_dict(written['state_dict'], strict=True)
    assert torch.equal(model.decode_head.conv_seg.bias, published.state['decoder.last_conv.8.bias'])
