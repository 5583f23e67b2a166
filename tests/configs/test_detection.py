"""The detectors, against mmdet's own configs and networks."""

from itertools import product
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d, revert_antialias
from lab.toyshapes import CATEGORIES
from tests.configs import leaves
from tests.configs.leaves import DETECTORS, TOYS

mmdet = pytest.importorskip('mmdet')

ZOO = Path(mmdet.__file__).parent / '.mim' / 'configs'
METHODS = {'': None, 'lpf3': BlurPool2d, 'ddac3': AdaptiveBlurPool2d}
STYLES = ('pytorch', 'caffe')
CAFFE = dict(style='caffe', norm_cfg=dict(type='BN', requires_grad=False))


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')


def load(folder, method=''):
    return leaves.load(f'{folder}/{folder.replace("_", "-")}_r50{method and "-"}{method}_fpn_1x_coco')


def backbone_of(method, style='pytorch'):
    """The backbone of a leaf; in the caffe style, as `antialias config` writes it."""
    if style == 'pytorch':
        return load('mask_rcnn', method).model.backbone
    filters = dict(type='Antialiased', base='ResNet', pool=method) if method else {}
    return load('mask_rcnn').model.backbone | CAFFE | filters


def build(config, device='meta', **changes):
    return leaves.build(config, device, **changes)


@pytest.mark.parametrize('folder', DETECTORS)
def test_baseline_is_that_of_mmdet(folder):
    ours = load(folder).to_dict()
    theirs = Config.fromfile(ZOO / folder / f'{folder.replace("_", "-")}_r50_fpn_1x_coco.py').to_dict()
    for key in ('custom_imports', 'runner_type'):
        ours.pop(key)
    assert ours.pop('test_cfg') | {'type': 'TestLoop'} == theirs.pop('test_cfg') | {'_scope_': 'mmdet'}
    assert without_scope(ours) == without_scope(theirs)


def without_scope(node):
    if isinstance(node, dict):
        return {key: without_scope(value) for key, value in node.items() if key != '_scope_'}
    return [without_scope(value) for value in node] if isinstance(node, list) else node


@pytest.mark.parametrize('method', METHODS)
def test_all_detectors_have_the_same_backbone(method):
    first, *others = (load(folder, method).to_dict() for folder in DETECTORS)
    for other in others:
        assert without_scope(other['model']['backbone']) == without_scope(first['model']['backbone'])
        assert other['optim_wrapper'].get('paramwise_cfg') == first['optim_wrapper'].get('paramwise_cfg')
        assert other.get('custom_hooks') == first.get('custom_hooks')


@pytest.mark.parametrize(('style', 'method'), list(product(STYLES, ['lpf3', 'ddac3'])))
def test_filters_stand_where_they_should(style, method):
    """In the max pool, before the convolution behind the strided one, and before the one of the skip path."""
    backbone = build(backbone_of(method, style))
    filters = {name: module for name, module in backbone.named_modules() if isinstance(module, METHODS[method])}
    behind = 'conv3' if style == 'pytorch' else 'conv2'
    blocks = [f'layer{stage}.0.{place}.aa' for stage in (2, 3, 4) for place in (behind, 'downsample.0')]
    assert sorted(filters) == sorted(['maxpool.aa', *blocks])
    assert {(module.filt_size, module.stride) for module in filters.values()} == {(3, (2, 2))}
    assert backbone.maxpool.kernel_size == (2 if style == 'pytorch' else 3)


def test_keys_are_those_of_mmdet():
    """`lpf3` has the same; `ddac3` adds those of the filters, whose removal leaves mmdet's network."""
    plain, fixed, adaptive = (build(load('mask_rcnn', method).model) for method in METHODS)
    expected = {key: value.shape for key, value in plain.state_dict().items()}
    assert {key: value.shape for key, value in fixed.state_dict().items()} == expected
    found = {key: value.shape for key, value in adaptive.state_dict().items()}
    assert {key for key in found if '.aa.' not in key} == set(expected)
    assert len(found) - len(expected) == 7 * 6  # one weight, and five of the norm
    assert str(revert_antialias(adaptive)) == str(plain)


@pytest.mark.parametrize('style', STYLES)
def test_frozen_stages_stay_frozen_and_the_other_filters_learn(style):
    backbone = build(backbone_of('ddac3', style), 'cpu', base_channels=16, stem_channels=16)
    backbone.train()
    maps = backbone(torch.rand(2, 3, 64, 64))
    sum(each.square().mean() for each in maps).backward()
    learned = {name for name, parameter in backbone.named_parameters() if parameter.grad is not None}
    assert not any(name.startswith(('conv1.', 'bn1.', 'layer1.')) for name in learned)
    filters = {name for name, _ in backbone.named_parameters() if '.aa.' in name}
    assert filters <= learned
    assert not any(module.training for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d))


def test_the_first_filter_is_frozen_with_the_stages_around_it():
    config = load('mask_rcnn', 'ddac3')
    model = build(config.model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optim_wrapper(model, config.optim_wrapper).param_groups
    still = {names[id(group['params'][0])] for group in groups if group['lr'] == group['weight_decay'] == 0}
    assert still == {f'backbone.maxpool.aa.{name}' for name in ('conv.weight', 'bn.weight', 'bn.bias')}
    assert {group['lr'] for group in groups} == {0, config.optim_wrapper.optimizer.lr}


@pytest.mark.parametrize(('folder', 'style'), [*product(DETECTORS, ['pytorch']), ('mask_rcnn', 'caffe')])
def test_a_tiny_picture_goes_through(folder, style):
    config = leaves.load(TOYS / folder / f'{folder.replace("_", "-")}_r18_fpn_1xb2-30_toyshapes-96x128')
    assert config.train_dataloader.dataset.metainfo.classes == CATEGORIES
    changes = dict(type='Antialiased', base='ResNet', pool='ddac3')
    if style == 'caffe':  # a quarter as wide, which makes the maps those of a ResNet-18
        changes |= dict(depth=50, style='caffe', stem_channels=16, base_channels=16)
    model = build(config.model, 'cpu', **changes)
    from mmdet.structures import DetDataSample

    sample = DetDataSample(metainfo={'img_shape': (64, 96), 'ori_shape': (64, 96), 'scale_factor': (1.0, 1.0)})
    data = {'inputs': [torch.randint(256, (3, 64, 96), dtype=torch.uint8)], 'data_samples': [sample]}
    (found,) = model.test_step(data)
    instances = found.pred_instances
    assert len(instances.scores) == len(instances.bboxes) <= 100
    assert torch.isfinite(instances.bboxes).all()
    assert ('masks' in instances) == (folder == 'mask_rcnn')
