import re
from itertools import product
from pathlib import Path

import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d

CONFIGS = Path(__file__).parents[2] / 'configs'
ZOO = Path(mmseg.__file__).parent / '.mim' / 'configs'
LEAVES = sorted(path for folder in ('deeplabv3', 'deeplabv3plus') for path in (CONFIGS / folder).glob('*.py'))

MODEL_NAMES = ('deeplabv3', 'deeplabv3plus')
METHODS = {'': None, 'lpf3': BlurPool2d, 'lpf4': BlurPool2d, 'ddac3': AdaptiveBlurPool2d}
DATA = ('cityscapes-512x1024', 'cityscapes-768x768', 'cityscapes-769x769', 'toyscapes-96x192')
NAME = re.compile(
    r'(?P<model>\w+)_r(?P<depth>\d+)(-(?P<method>\w+))?-d(?P<stride>8|16)'
    r'_(?P<gpus>\d)xb(?P<batch>\d)-(?P<schedule>\w+)_(?P<dataset>\w+)-(?P<height>\d+)x(?P<width>\d+)'
)


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def load(name):
    return Config.fromfile(CONFIGS / name.partition('_')[0] / f'{name}.py')


def build(config):
    model = config.model.to_dict()
    # Downloads, and needs several processes.
    model['backbone'].pop('init_cfg', None)
    model.pop('pretrained', None)
    return MODELS.build(model)


def output_stride(model):
    images = torch.zeros(1, 3, 64, 64)
    model.eval()
    return images.shape[-1] // model.backbone(images)[-1].shape[-1]


def test_every_combination_has_a_config():
    grid = product(MODEL_NAMES, ('18', '50', '101'), METHODS, ('8', '16'), DATA)
    found = [NAME.fullmatch(path.stem) for path in LEAVES]

    assert all(found)
    assert sorted(grid) == sorted(
        (m['model'], m['depth'], m['method'] or '', m['stride'], f'{m["dataset"]}-{m["height"]}x{m["width"]}')
        for m in found
    )


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_content_is_what_the_name_says(path):
    config, name = Config.fromfile(path), NAME.fullmatch(path.stem)
    backbone, loader = config.model.backbone, config.train_dataloader
    crop = (int(name['height']), int(name['width']))

    assert path.parent.name == name['model']
    assert (backbone.type, backbone.get('pool')) == (
        ('Antialiased', name['method']) if name['method'] else ('ResNetV1c', None)
    )
    assert backbone.get('convert') == ({'dilated': 'blur'} if name['method'] == 'ddac3' else None)
    assert backbone.depth == int(name['depth'])
    assert loader.batch_size == int(name['batch'])
    assert f'data/{name["dataset"]}' == loader.dataset.data_root == config.test_dataloader.dataset.data_root
    assert [step.crop_size for step in loader.dataset.pipeline if step.type == 'RandomCrop'] == [crop]
    assert config.model.data_preprocessor.size == crop
    assert config.train_cfg.max_iters == int(name['schedule'].replace('k', '000'))
    assert config.param_scheduler[-1].end == config.train_cfg.max_iters
    assert config.test_cfg.type == 'ShiftConsistencyTestLoop'


def test_a_leaf_holds_only_its_difference():
    assert max(len(path.read_text().splitlines()) for path in LEAVES) <= 20


@pytest.mark.parametrize('model', MODEL_NAMES)
@pytest.mark.parametrize('stride', [8, 16])
@pytest.mark.parametrize(('method', 'layer'), METHODS.items(), ids=lambda value: value if value != '' else 'baseline')
def test_model(model, method, layer, stride):
    backbone = f'r18-{method}' if method else 'r18'
    built = build(load(f'{model}_{backbone}-d{stride}_1xb4-250_toyscapes-96x192'))

    layers = [type(module) for module in built.backbone.modules() if type(module) in METHODS.values()]
    dilated = 2 if stride == 16 else 4
    expected = {None: 0, BlurPool2d: 7 - dilated, AdaptiveBlurPool2d: 7}[layer]
    assert layers == [layer] * expected
    assert output_stride(built) == stride


@pytest.mark.parametrize('model', MODEL_NAMES)
@pytest.mark.parametrize('depth', [18, 50, 101])
@pytest.mark.parametrize('crop', ['512x1024', '769x769'])
def test_baseline_is_that_of_mmseg(model, depth, crop):
    name = f'{model}_r{depth}-d8_4xb2-80k_cityscapes-{crop}'
    ours, theirs = load(name), Config.fromfile(ZOO / model / f'{name}.py')

    assert ours.model.backbone.init_cfg.checkpoint == theirs.model.pretrained
    for part in ('data_preprocessor', 'test_cfg'):
        assert ours.model[part] == theirs.model[part]
    for key in ('optim_wrapper', 'val_dataloader', 'val_evaluator', 'val_cfg'):
        assert normalized(ours[key]) == normalized(theirs[key])
    assert normalized(ours.train_dataloader) == normalized(theirs.train_dataloader)
    assert [dict(step) for step in ours.param_scheduler] == [dict(step) for step in theirs.param_scheduler]
    assert str(build(ours)) == str(build(theirs))


def normalized(node):
    """A config without the slash that mmseg ends its folders with."""
    if isinstance(node, dict):
        return {key: normalized(value) for key, value in node.items()}
    if isinstance(node, list):
        return list(map(normalized, node))
    return node.rstrip('/') if isinstance(node, str) else node
