"""The configs of the exactly shift-equivariant DeepLabV3+."""

from itertools import product
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AdaptivePolyphasePool2d, LearnablePolyphasePool2d
from antialias_plugins.openmmlab.segmentation.shift_equivariant import ShiftEquivariantEncoderDecoder

FOLDER = Path(__file__).parents[2] / 'configs' / 'equivariant'
CITYSCAPES = 'deeplabv3plus_r101-{}-d16_2xb7-80k_cityscapes-768x768'
VOC = 'deeplabv3plus_r101-{}-d16_2xb8-30k_voc12aug-512x512'
TOY = 'deeplabv3plus_r18-{}-d16_1xb2-30_toyscapes-96x192'
SETTINGS = {  # depth, classes, crop, circular test
    CITYSCAPES: (101, 19, (768, 768), True),
    VOC: (101, 21, (512, 512), False),
    TOY: (18, 19, (96, 192), True),
}
LAYERS = {'aps3': AdaptivePolyphasePool2d, 'lps3': LearnablePolyphasePool2d}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def load(name, method):
    return Config.fromfile(FOLDER / f'{name.format(method)}.py')


def crop(config):
    dataset = config.train_dataloader.dataset
    pipelines = [dataset.pipeline] if 'pipeline' in dataset else [part.pipeline for part in dataset.datasets]
    (size,) = {tuple(step.crop_size) for pipeline in pipelines for step in pipeline if step.type == 'RandomCrop'}
    return size


@pytest.mark.parametrize('method', LAYERS)
@pytest.mark.parametrize('name', SETTINGS, ids=['cityscapes', 'voc', 'toyscapes'])
def test_settings(name, method):
    config = load(name, method)
    found = config.model.backbone.depth, config.model.decode_head.num_classes, crop(config)
    assert (*found, config.test_cfg.get('circular', False)) == SETTINGS[name]
    assert config.model.data_preprocessor.size == crop(config)
    assert not any(side % config.model.data_preprocessor.test_cfg.size_divisor for side in crop(config))


@pytest.mark.parametrize('method', LAYERS)
@pytest.mark.parametrize('name', [VOC, TOY], ids=['r101', 'r18'])
def test_network(name, method):
    config = load(name, method).model
    config.backbone.base_channels = config.backbone.stem_channels = 4  # it runs once
    model = MODELS.build(config)
    assert type(model) is ShiftEquivariantEncoderDecoder
    assert model.output_stride == (16, 16)
    pools = [module for module in model.backbone.modules() if isinstance(module, LAYERS[method])]
    assert ([pool.filt_size for pool in pools], sum(pool.leads for pool in pools)) == ([3] * 6, 4)


@pytest.mark.parametrize('name', SETTINGS, ids=['cityscapes', 'voc', 'toyscapes'])
def test_temperature_falls_to_the_end_of_the_training(name):
    config = load(name, 'lps3')
    (hook,) = [hook for hook in config.custom_hooks if hook.type == 'GumbelTemperatureHook']
    shares = [milestone / config.train_cfg.max_iters for milestone in hook.milestones]
    assert shares == pytest.approx([0, 62 / 90, 82 / 90, 1], abs=0.02)
    assert (hook.temperatures, hook.by_epoch) == ([1.0, 0.5, 0.05, 0.01], False)


def test_every_combination_has_a_short_config():
    assert {path.stem for path in FOLDER.glob('*.py')} == {n.format(m) for n, m in product(SETTINGS, LAYERS)}
    assert max(len(path.read_text().splitlines()) for path in FOLDER.glob('*.py')) <= 20
