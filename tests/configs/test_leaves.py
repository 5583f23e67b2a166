"""Every config says what its name says, and changes nothing else."""

import re
from itertools import product
from pathlib import Path

import mmseg
import pytest
from mmengine.config import Config

from antialias_plugins import (
    AdaptiveBlurPool2d,
    AdaptivePolyphasePool2d,
    BlurPool2d,
    LearnablePolyphasePool2d,
)
from tests.configs.leaves import (
    DETECTORS,
    ROOT,
    TOYS,
    baseline,
    build,
    difference,
    leaves,
    load,
    parse,
    pipelines,
    readable,
)

ZOO = Path(mmseg.__file__).parent / '.mim' / 'configs'
LEAVES, SMALL = leaves(), leaves(TOYS)
LAYERS = {
    None: None,
    'lpf3': BlurPool2d,
    'lpf4': BlurPool2d,
    'ddac3': AdaptiveBlurPool2d,
    'aps3': AdaptivePolyphasePool2d,
    'lps3': LearnablePolyphasePool2d,
}
TYPES = {'drn': 'DRN', 'xception': 'AlignedXception', 'mobilenetv': 'DilatedMobileNetV2'}
DATA = {'voc12aug': 'VOCdevkit/VOC2012', 'voc12sbd': 'VOCdevkit/VOC2012', 'coco': 'coco_stuff164k'}
RATES = {'8': (1, 12, 24, 36), '16': (1, 6, 12, 18)}


def ids(path):
    return f'{path.parent.name}/{path.stem}'


def name_of(pool):
    """The shorthand of a pool."""
    if not isinstance(pool, dict):
        return pool
    assert pool == {'type': 'AdaptiveBlurPool2d', 'filt_size': 3, 'groups': 8, 'softmax': 'joint'}
    return 'ddac3'


@pytest.mark.parametrize('path', [*LEAVES, *SMALL], ids=ids)
def test_content_is_what_the_name_says(path):
    assert len(path.read_text().splitlines()) <= 25
    if not readable(path):
        pytest.skip('mmdet is not installed')
    config, name = load(path), parse(path)
    backbone = config.model.backbone
    plain = TYPES.get(name['backbone'].rstrip('0123456789'), 'ResNet')
    if path.parent.name in ('deeplabv3', 'deeplabv3plus'):
        plain = 'ResNetV1c'

    assert (backbone.type, backbone.get('base'), name_of(backbone.get('pool'))) == (
        ('Antialiased', plain, name['method']) if name['method'] else (plain, None, None)
    )
    assert name['depth'] is None or backbone.depth == int(name['depth'])
    assert config.test_cfg.type == 'ShiftConsistencyTestLoop'
    operators = ['antialias_plugins.openmmlab.mmcv_ops'] * (config.default_scope == 'mmdet')
    assert config.custom_imports.imports == ['antialias_plugins', *operators]
    if name['batch']:
        assert config.train_dataloader.batch_size == int(name['batch'])
        length, unit = re.fullmatch(r'(\d+)([ke]?)', name['schedule']).groups()
        end = config.train_cfg.get('max_iters', config.train_cfg.get('max_epochs'))
        assert int(end / {'k': 1000, 'e': 1, '': 1}[unit] + 0.5) == int(length) or end // 1000 == int(length)
    if name['stride']:
        check_segmentor(config, name)


def check_segmentor(config, name):
    """A data set, its crop, and the rates of the pyramid."""
    crop = (int(name['height']), int(name['width']))
    root = f'data/{DATA.get(name["dataset"], name["dataset"])}'
    for part in config.train_dataloader.dataset.get('datasets', [config.train_dataloader.dataset]):
        assert part.data_root.removesuffix('-96x192') == root
    assert {steps['RandomCrop'].crop_size for steps in pipelines(config)} == {crop}
    assert config.model.data_preprocessor.size == crop
    assert config.model.data_preprocessor.seg_pad_val == 255
    if '250' not in name['schedule']:
        assert config.model.decode_head.dilations == RATES[name['stride']]


def test_every_combination_has_a_config():
    names = {f'{path.parent.name}/{path.stem}' for path in LEAVES}
    methods = ('', '-lpf4', '-ddac3')
    grid = {
        f'{model}/{model}_r{depth}{method}-d{stride}_4xb2-80k_cityscapes-512x1024'
        for model, depth, stride, method in product(('deeplabv3', 'deeplabv3plus'), (18, 50, 101), (8, 16), methods)
    }
    for method in ('', '-lpf3', '-ddac3'):
        grid |= {f'{folder}/{folder.replace("_", "-")}_r50{method}_fpn_1x_coco' for folder in DETECTORS}
        grid |= {f'deeplabv3plus/deeplabv3plus_r18{method}-d16_1xb4-250_toyscapes-96x192'}
        grid |= {
            f'dsrl/{system}_r101{method}-d16_1xb4-744k_cityscapes-1024x1024'
            for system in ('deeplabv3plus', 'dsrl-dootmaan', 'dsrl-paper')
        }
    assert grid <= names
    assert 90 <= len(LEAVES) <= 110


def test_no_piece_is_left_over():
    reached, todo = set(), [*LEAVES, *SMALL]
    while todo:
        path = todo.pop()
        bases = {(path.parent / name).resolve() for name in re.findall(r"'(\.\.?/[^']*\.py)'", path.read_text())}
        reached |= bases
        todo += bases
    assert {path.resolve() for path in [*ROOT.rglob('_base_/**/*.py'), *TOYS.rglob('_base_/**/*.py')]} <= reached


ANTIALIASED = [path for path in [*LEAVES, *SMALL] if parse(path)['method'] and baseline(path).exists()]


@pytest.mark.parametrize('path', ANTIALIASED, ids=ids)
def test_only_the_backbone_and_how_it_learns_differ_from_the_baseline(path):
    if not readable(path):
        pytest.skip('mmdet is not installed')
    own, plain = load(path), load(baseline(path))
    changed = difference(own.to_dict(), plain.to_dict())
    # of adaptive filters of detectors: docs/detection.md
    changed -= {'optim_wrapper.paramwise_cfg'} if path.parent.name in DETECTORS else set()
    # the published fine-tuning
    changed -= {'model.backbone.init_cfg', 'model.backbone.init_cfg.checkpoint'}
    assert changed <= {f'model.backbone.{key}' for key in ('type', 'base', 'pool', 'convert')}
    assert own.model.backbone.base == plain.model.backbone.type


@pytest.mark.parametrize('path', ANTIALIASED, ids=ids)
def test_published_weights_are_those_of_the_method(path):
    if not readable(path):
        pytest.skip('mmdet is not installed')
    backbone, name = load(path).model.backbone, parse(path)
    published = backbone.get('convert', {}).get('maxpool') == 'published'
    found = str((backbone.get('init_cfg') or {}).get('checkpoint'))
    if published and name['depth'] in ('50', '101') and path.parent.name != 'resnet':
        assert found == f'data/weights/resnet{name["depth"]}_{name["method"]}.pth'
    elif path.stem != 'resnet18-lpf4-published_1xb8-30_toyphotos-64x64':
        assert found == str((load(baseline(path)).model.backbone.get('init_cfg') or {}).get('checkpoint'))


def distinct_backbones():
    """One leaf of each antialiased backbone, and what makes it small; a ResNet-101 has the blocks of a ResNet-50."""
    found = {}
    for path in LEAVES:
        if parse(path)['method'] and path.parent.name not in DETECTORS:
            backbone = load(path).model.backbone
            changes = {'depth': min(backbone.depth, 50)} if 'ResNet' in backbone.base else {}
            if path.parent.name in ('equivariant', 'resnet') or 'gnws' in path.stem:  # they compute with values
                changes |= dict.fromkeys(('base_channels', 'stem_channels'), 32 if 'gnws' in path.stem else 8)
            key = {key: value for key, value in (backbone | changes).items() if key != 'init_cfg'}
            found.setdefault(str(key), (path, changes))
    return [pytest.param(*values, id=ids(values[0])) for values in found.values()]


@pytest.mark.parametrize(('path', 'changes'), distinct_backbones())
def test_filters_stand_where_they_are_published(path, changes):
    """One in the max pool, two in the first block of each of the stages 2 to 4; at stride 1 where a stage dilates."""
    config, name = load(path).model.backbone, parse(path)
    backbone = build(config, 'cpu' if 'base_channels' in changes else 'meta', **changes)
    filters = {key: module for key, module in backbone.named_modules() if type(module) in LAYERS.values()}
    assert {type(module) for module in filters.values()} == {LAYERS[name['method']]}
    assert {module.filt_size for module in filters.values()} == {int(name['method'][-1])}
    if 'ResNet' in config.base:
        options = config.get('convert', {})
        strides = config.get('strides', (1, 2, 2, 2))
        dilated = [stage for stage in (2, 3, 4) if strides[stage - 1] == 1]
        stages = [stage for stage in (2, 2, 3, 3, 4, 4) if stage not in dilated or options.get('dilated') == 'blur']
        stem = ['relu'] if options.get('stem') else []
        assert [key.split('.')[0] for key in filters] == [*stem, 'maxpool', *(f'layer{stage}' for stage in stages)]
        expected = [(2, 2) for _ in (*stem, 'maxpool')] + [(1, 1) if stage in dilated else (2, 2) for stage in stages]
        assert [module.stride for module in filters.values()] == expected
        assert backbone.maxpool.kernel_size == (2 if options.get('maxpool') == 'published' else 3)


@pytest.mark.parametrize('model', ['deeplabv3', 'deeplabv3plus'])
@pytest.mark.parametrize('depth', [18, 50, 101])
def test_baseline_is_that_of_mmseg(model, depth):
    name = f'{model}/{model}_r{depth}-d8_4xb2-80k_cityscapes-512x1024'
    ours, theirs = load(name), Config.fromfile(ZOO / f'{name}.py')

    assert ours.model.backbone.init_cfg.checkpoint == theirs.model.pretrained
    for part in ('data_preprocessor', 'test_cfg'):
        assert ours.model[part] == theirs.model[part]
    for key in ('optim_wrapper', 'val_dataloader', 'val_evaluator', 'val_cfg', 'train_dataloader', 'param_scheduler'):
        assert without_slash(ours[key]) == without_slash(theirs[key])
    assert str(build(ours.model)) == str(build(theirs.model))


def without_slash(node):
    """A config without the slash that mmseg ends its folders with."""
    if isinstance(node, dict):
        return {key: without_slash(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return list(map(without_slash, node))
    return node.rstrip('/') if isinstance(node, str) else node
