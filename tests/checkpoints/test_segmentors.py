"""Whole published segmentation networks in mmseg: every key, every number, and the outputs."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins.checkpoints import CheckpointError, convert_state_dict
from tests.checkpoints.published_segmentors import (
    GROUPS,
    StateDict,
    deeplab_v3,
    deeplab_v3_plus,
    deeplab_v3_plus_weights,
    deeplab_v3_weights,
    resnet_weights,
)

CONFIGS = Path(__file__).parents[2] / 'configs'
DDAC = 'ddac/deeplabv3plus_r101{}-d16_2xb7-80k_cityscapes-768x768.py'
DEEPLAB_V3 = 'deeplabv3_gnws/deeplabv3_r101{}-d16_1xb16-33k_voc12aug-513x513.py'
TINY = {'depth': 50, 'width': 16}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def shrink(model):
    """The config of a network, with ResNet-50's blocks of 16 to 512 channels in place of ResNet-101's."""
    model.backbone |= {'depth': 50, 'base_channels': 16, 'stem_channels': 16}
    model.decode_head |= {'in_channels': 512, 'channels': 64}
    if 'c1_channels' in model.decode_head:
        model.decode_head |= {'c1_in_channels': 64, 'c1_channels': 12}
    for part in (model.backbone, model.decode_head):
        if part.norm_cfg.type == 'GN':
            part.norm_cfg.num_groups = GROUPS
    return model


def build(name, method='', tiny=True, grid=None, **head):
    config = Config.fromfile(CONFIGS / name.format(method)).model
    config.backbone.pop('init_cfg', None)
    if grid:
        config.backbone.multi_grid = grid
    config.decode_head |= head
    return MODELS.build(shrink(config) if tiny else config)


def convert(state, model):
    """Load a published state dict; returns the report, after a look at every tensor."""
    values, report = convert_state_dict(state, model)
    model.load_state_dict(values, strict=True)
    back = {key: key for key in report.loaded} | {new: old for old, new in report.renamed}
    fixed = {key for key in state if key.endswith('.filt')}
    assert {back[key] for key in values} == state.keys() - fixed
    assert {place.name for place in report.dropped} == fixed
    assert all(torch.equal(values[key], state[back[key]]) for key in values)
    assert not (report.kept or report.zeroed or report.notes)
    return report


@torch.no_grad()
def logits(model, x):
    meta = {'ori_shape': x.shape[2:], 'img_shape': x.shape[2:], 'pad_shape': x.shape[2:]}
    return model.eval().inference(x, [meta] * len(x))


@pytest.mark.parametrize(('method', 'separable'), [('', True), ('lpf3', False), ('ddac3', False)])
def test_deeplab_v3_plus_gives_the_published_logits(method, separable):
    state = deeplab_v3_plus_weights(method, separable=separable, **TINY)
    model = build(DDAC, f'-{method}' if method else '', separable=separable).double()
    report = convert(state, model)
    assert report.layout.startswith('DeepLabV3Plus-Pytorch')
    x = torch.randn(1, 3, 304, 320, dtype=torch.float64)  # 19 x 20 at stride 16: the rate of 18 reaches another pixel
    torch.testing.assert_close(logits(model, x), deeplab_v3_plus(state, x, method, 50), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(('norm', 'grid', 'rates'), [('bn', (2, 4, 8), (2, 4, 8)), ('gn', None, (1, 2, 2))])
def test_deeplab_v3_gives_the_published_logits(norm, grid, rates):
    state = deeplab_v3_weights(norm=norm, **TINY)
    model = build(DEEPLAB_V3, '-gnws' if norm == 'gn' else '', grid=grid).double()
    assert convert(state, model).layout == 'DeepLabv3.pytorch, plain keys'
    x = torch.randn(1, 3, 305, 321, dtype=torch.float64)
    torch.testing.assert_close(logits(model, x), deeplab_v3(state, x, rates, 50), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(('norm', 'method'), [('gn', '-lpf3'), ('bn', '-ddac3')])
def test_published_weights_fit_an_antialiased_deeplab_v3(norm, method):
    state = deeplab_v3_weights(norm=norm, **TINY)
    model = build(DEEPLAB_V3, ('-gnws' if norm == 'gn' else '') + method)
    values, report = convert_state_dict(state, model)
    adaptive = {key for key in model.state_dict() if '.aa.' in key}
    assert bool(adaptive) == (method == '-ddac3')
    assert {place.name for place in report.kept} == adaptive
    assert len(report.loaded) == len(values) == len(state)


@pytest.mark.parametrize(
    ('name', 'method', 'state', 'entries', 'parameters'),
    [
        (DDAC, '', lambda: deeplab_v3_plus_weights(), None, 58.75),
        (DDAC, '-ddac3', lambda: deeplab_v3_plus_weights('ddac3'), None, 60.54),
        (DEEPLAB_V3, '', lambda: deeplab_v3_weights(), 662, 58.04),
        (DEEPLAB_V3, '-gnws', lambda: deeplab_v3_weights(norm='gn'), 332, 58.04),
    ],
    ids=['ddac-baseline', 'ddac-ddac3', 'deeplab_v3-bn', 'deeplab_v3-gnws'],
)
def test_size_is_the_published_one(name, method, state, entries, parameters):
    """In millions of parameters, and entries of the state dict where they are known."""
    with torch.device('meta'):
        model, state = build(name, method, tiny=False), state()
    values, report = convert_state_dict(state, model)
    assert len(values) == len(model.state_dict()) == entries or entries is None
    assert round(sum(value.numel() for value in model.parameters()) / 1e6, 2) == parameters
    assert len(state) == len(report.loaded) + len(report.dropped)


def test_backbone_of_weight_standardisation():
    """The 312 tensors that DeepLabv3.pytorch takes from R-101-GN-WS.pth.tar, and the classifier that it leaves."""
    with torch.device('meta'):
        state = StateDict('gn')
        resnet_weights(state, '', '', 101, 64)
        assert len(state) == 312
        state |= {'fc.weight': torch.empty(1000, 2048), 'fc.bias': torch.empty(1000)}
        backbone = build(DEEPLAB_V3, '-gnws', tiny=False).backbone
    values, report = convert_state_dict(state, backbone)
    assert values.keys() == backbone.state_dict().keys()
    assert [place.name for place in report.dropped] == ['fc.weight', 'fc.bias']


def test_counters_that_the_published_loader_drops_become_zero():
    state = deeplab_v3_weights(**TINY)
    counters = [key for key in state if 'tracked' in key]
    for key in counters:
        del state[key]
    _, report = convert_state_dict(state, build(DEEPLAB_V3))
    assert len(report.zeroed) == len(counters)


@pytest.mark.parametrize(
    ('name', 'method', 'state', 'message'),
    [
        (DEEPLAB_V3, '', lambda: deeplab_v3_plus_weights(**TINY), 'left over in the file: classifier.project.0.weight'),
        (DDAC, '', lambda: deeplab_v3_weights(**TINY), 'missing in the file: decode_head'),
        (DDAC, '', lambda: deeplab_v3_plus_weights('ddac3', **TINY), 'left over in the file: backbone.maxpool.1.conv'),
        (DDAC, '', lambda: deeplab_v3_plus_weights(separable=True, **TINY), 'left over in the file: classifier.aspp'),
        (DDAC, '', lambda: deeplab_v3_plus_weights(classes=21, **TINY), r"skip=\['decode_head.conv_seg.\*'\]"),
        (DEEPLAB_V3, '', lambda: deeplab_v3_weights(norm='gn', **TINY), 'missing in the file: backbone.bn1.running'),
        (DEEPLAB_V3, '-gnws', lambda: deeplab_v3_weights(**TINY), 'left over in the file: bn1.running_mean'),
        (DEEPLAB_V3, '', lambda: {'conv.weight': torch.zeros(1)}, 'left over in the file: conv.weight'),
    ],
    ids=[
        *('v3+ into v3', 'v3 into v3+', 'ddac into baseline', 'separable into plain', 'other classes'),
        *('gn into bn', 'bn into gn', 'something else'),
    ],
)
def test_a_wrong_file_is_refused(name, method, state, message):
    with pytest.raises(CheckpointError, match=message):
        convert_state_dict(state(), build(name, method))


@pytest.mark.parametrize('key', ['classifier.classifier.3.bias', 'backbone.layer3.0.conv2.weight'])
def test_no_tensor_may_be_missing(key):
    state = deeplab_v3_plus_weights(**TINY)
    del state[key]
    with pytest.raises(CheckpointError, match='missing in the file'):
        convert_state_dict(state, build(DDAC))


@pytest.mark.parametrize(
    ('method', 'key', 'value', 'message'),
    [
        ('ddac3', 'pool', 'ddac3', "softmax='joint'"),
        ('ddac3', 'convert', {'dilated': 'blur'}, 'max pool of 2x2'),
        ('lpf3', 'convert', {'maxpool': 'published'}, 'with 7 filters; the network has 5'),
        ('lpf3', 'pool', 'lpf4', 'filters of 3 taps; the network filters with 4'),
    ],
    ids=['softmax', 'max pool', 'dilated stage', 'width'],
)
def test_another_computation_is_said_so(method, key, value, message):
    config = shrink(Config.fromfile(CONFIGS / DDAC.format(f'-{method}')).model)
    config.backbone.pop('init_cfg')
    config.backbone[key] = value
    model = MODELS.build(config)
    with pytest.warns(UserWarning, match=message):
        convert_state_dict(deeplab_v3_plus_weights(method, **TINY), model)
