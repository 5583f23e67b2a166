"""The detectors, against mmdet's own configs and networks."""

import copy
import functools
import re
import warnings
from itertools import product
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AdaptiveBlurPool2d, AntialiasWarning, BlurPool2d, revert_antialias
from antialias_plugins.toyshapes import CATEGORIES

pytest.importorskip('mmcv.ops', reason='mmdet needs the compiled operators of mmcv')
mmdet = pytest.importorskip('mmdet')

CONFIGS = Path(__file__).parents[2] / 'configs'
ZOO = Path(mmdet.__file__).parent / '.mim' / 'configs'
FOLDERS = ('mask_rcnn', 'faster_rcnn', 'retinanet')
PATHS = sorted(path for folder in FOLDERS for path in (CONFIGS / folder).glob('*.py'))
METHODS = {'': None, 'lpf3': BlurPool2d, 'ddac3': AdaptiveBlurPool2d}
STYLES = ('pytorch', 'caffe')
COCO, TOY = '1x_coco', '1xb2-30_toyshapes-96x128'
NAME = re.compile(r'(?P<model>[a-z-]+)_r(?P<depth>\d+)(-(?P<style>caffe))?(-(?P<method>lpf3|ddac3))?_fpn_(?P<rest>.+)')


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')


def path_of(folder, style='pytorch', method='', rest=COCO, depth=None):
    depth = depth or (18 if (rest, style) == (TOY, 'pytorch') else 50)
    backbone = '-'.join(filter(None, [f'r{depth}', 'caffe' if style == 'caffe' else '', method]))
    return CONFIGS / folder / f'{folder.replace("_", "-")}_{backbone}_fpn_{rest}.py'


read = functools.cache(Config.fromfile)


def load(*args, **kwargs):
    return read(path_of(*args, **kwargs))


def build(config, **changes):
    """Build a model or a backbone, without weights to download."""
    config = copy.deepcopy(config)
    config.get('backbone', config).update(init_cfg=None, **changes)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', AntialiasWarning)
        return MODELS.build(config)


def test_every_combination_has_a_short_config():
    coco = product(FOLDERS, STYLES, METHODS, [COCO], [50, 101])
    toys = product(FOLDERS, STYLES, METHODS, [TOY])
    assert set(PATHS) == {path_of(*each) for each in (*coco, *toys)}
    assert max(len(path.read_text().splitlines()) for path in PATHS) <= 25


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_content_is_what_the_name_says(path):
    config, name = read(path), NAME.fullmatch(path.stem)
    backbone, method = config.model.backbone, name['method']
    assert path.parent.name.replace('_', '-') == name['model']
    assert config.model.type.lower() == name['model'].replace('-', '')
    assert (backbone.depth, backbone.style) == (int(name['depth']), name['style'] or 'pytorch')
    assert (backbone.type, backbone.get('base')) == (('Antialiased', 'ResNet') if method else ('ResNet', None))
    layer = {'lpf3': 'lpf3', 'AdaptiveBlurPool2d': 'ddac3', 'ddac3': 'ddac3', None: None}
    pool = backbone.get('pool')
    assert layer[pool.type if isinstance(pool, dict) else pool] == method
    assert config.custom_imports.imports == ['antialias_plugins']
    assert config.test_cfg.type == 'ShiftConsistencyTestLoop'
    if name['rest'] == TOY:
        assert config.train_dataloader.dataset.metainfo.classes == CATEGORIES
        assert config.train_cfg.max_iters == 30


@pytest.mark.parametrize(
    ('folder', 'depth', 'style'), list(product(FOLDERS, [50, 101], STYLES)), ids=lambda value: str(value)
)
def test_baseline_is_that_of_mmdet(folder, depth, style):
    path = path_of(folder, style, depth=depth)
    ours, theirs = read(path).to_dict(), Config.fromfile(ZOO / folder / path.name).to_dict()
    for key in ('custom_imports', 'runner_type'):
        ours.pop(key)
    assert ours.pop('test_cfg') | {'type': 'TestLoop'} == theirs.pop('test_cfg') | {'_scope_': 'mmdet'}
    assert without_scope(ours) == without_scope(theirs)


def without_scope(node):
    if isinstance(node, dict):
        return {key: without_scope(value) for key, value in node.items() if key != '_scope_'}
    return [without_scope(value) for value in node] if isinstance(node, list) else node


@pytest.mark.parametrize(('style', 'method'), list(product(STYLES, ['lpf3', 'ddac3'])))
@pytest.mark.parametrize('folder', FOLDERS)
def test_only_the_backbone_and_how_it_learns_differ(folder, style, method):
    ours, baseline = load(folder, style, method).to_dict(), load(folder, style).to_dict()
    own, plain = ours['model'].pop('backbone'), baseline['model'].pop('backbone')
    ours.pop('custom_hooks', None)
    ours['optim_wrapper'].pop('paramwise_cfg', None)
    assert ours == baseline
    assert own.pop('type') == 'Antialiased'
    assert own.pop('base') == plain.pop('type')
    checkpoint, weights = (backbone.pop('init_cfg')['checkpoint'] for backbone in (own, plain))
    assert checkpoint == (weights if style == 'caffe' else f'data/weights/resnet50_{method}.pth')
    assert {key: own[key] for key in plain} == plain
    assert own.keys() - plain.keys() <= {'pool', 'convert'}


@pytest.mark.parametrize(('style', 'method'), list(product(STYLES, METHODS)))
@pytest.mark.parametrize('depth', [50, 101])
def test_all_detectors_have_the_same_backbone(style, method, depth):
    first, *others = (load(folder, style, method, depth=depth).to_dict() for folder in FOLDERS)
    for other in others:
        assert without_scope(other['model']['backbone']) == without_scope(first['model']['backbone'])
        assert other['optim_wrapper'].get('paramwise_cfg') == first['optim_wrapper'].get('paramwise_cfg')
        assert other.get('custom_hooks') == first.get('custom_hooks')


@pytest.mark.parametrize(('style', 'method'), list(product(STYLES, ['lpf3', 'ddac3'])))
def test_filters_stand_where_they_should(style, method):
    """In the max pool, before the convolution behind the strided one, and before the one of the skip path."""
    with torch.device('meta'):
        backbone = build(load('mask_rcnn', style, method).model.backbone)
    filters = {name: module for name, module in backbone.named_modules() if isinstance(module, METHODS[method])}
    behind = 'conv3' if style == 'pytorch' else 'conv2'
    blocks = [f'layer{stage}.0.{place}.aa' for stage in (2, 3, 4) for place in (behind, 'downsample.0')]
    assert sorted(filters) == sorted(['maxpool.aa', *blocks])
    assert {(module.filt_size, module.stride) for module in filters.values()} == {(3, (2, 2))}
    assert backbone.maxpool.kernel_size == (2 if style == 'pytorch' else 3)


@pytest.mark.parametrize('style', STYLES)
def test_keys_are_those_of_mmdet(style):
    """`lpf3` has the same; `ddac3` adds those of the filters, whose removal leaves mmdet's network."""
    with torch.device('meta'):
        plain, fixed, adaptive = (build(load('mask_rcnn', style, method).model) for method in METHODS)
    expected = {key: value.shape for key, value in plain.state_dict().items()}
    assert {key: value.shape for key, value in fixed.state_dict().items()} == expected
    found = {key: value.shape for key, value in adaptive.state_dict().items()}
    assert {key for key in found if '.aa.' not in key} == set(expected)
    assert len(found) - len(expected) == 7 * 6  # one weight, and five of the norm
    assert str(revert_antialias(adaptive)) == str(plain)


@pytest.mark.parametrize('style', STYLES)
def test_frozen_stages_stay_frozen_and_the_other_filters_learn(style):
    backbone = build(load('mask_rcnn', style, 'ddac3').model.backbone, base_channels=16, stem_channels=16)
    backbone.train()
    maps = backbone(torch.rand(2, 3, 64, 64))
    sum(each.square().mean() for each in maps).backward()
    learned = {name for name, parameter in backbone.named_parameters() if parameter.grad is not None}
    assert not any(name.startswith(('conv1.', 'bn1.', 'layer1.')) for name in learned)
    filters = {name for name, _ in backbone.named_parameters() if '.aa.' in name}
    assert filters <= learned
    assert not any(module.training for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d))


def test_the_first_filter_is_frozen_with_the_stages_around_it():
    config = load('mask_rcnn', 'pytorch', 'ddac3')
    with torch.device('meta'):
        model = build(config.model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optim_wrapper(model, config.optim_wrapper).param_groups
    still = {names[id(group['params'][0])] for group in groups if group['lr'] == group['weight_decay'] == 0}
    assert still == {f'backbone.maxpool.aa.{name}' for name in ('conv.weight', 'bn.weight', 'bn.bias')}
    assert {group['lr'] for group in groups} == {0, config.optim_wrapper.optimizer.lr}


@pytest.mark.parametrize(('style', 'method'), list(product(STYLES, METHODS)))
def test_only_new_filters_have_norms_to_train(style, method):
    hooks = [hook.type for hook in load('mask_rcnn', style, method).get('custom_hooks', [])]
    assert hooks == (['FilterNormHook'] if (style, method) == ('caffe', 'ddac3') else [])


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize('folder', FOLDERS)
def test_a_tiny_picture_goes_through(folder, style):
    model = build(load(folder, style, 'ddac3', TOY).model)
    model.eval()
    from mmdet.structures import DetDataSample

    sample = DetDataSample(metainfo={'img_shape': (64, 96), 'ori_shape': (64, 96), 'scale_factor': (1.0, 1.0)})
    data = {'inputs': [torch.randint(256, (3, 64, 96), dtype=torch.uint8)], 'data_samples': [sample]}
    (found,) = model.test_step(data)
    instances = found.pred_instances
    assert len(instances.scores) == len(instances.bboxes) <= 100
    assert torch.isfinite(instances.bboxes).all()
    assert ('masks' in instances) == (folder == 'mask_rcnn')
