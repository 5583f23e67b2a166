"""The segmentation of "Delving Deeper into Anti-aliasing in ConvNets", line by line."""

from itertools import product
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d
from antialias_plugins.openmmlab.backbones import published_backbone

FOLDER = Path(__file__).parents[2] / 'configs' / 'ddac'
CITYSCAPES = 'deeplabv3plus_r101{}-d16_2xb7-80k_cityscapes-768x768'
VOC = 'deeplabv3plus_r101{}-d16_2xb8-30k_voc12aug-513x513'
TOYS = ('deeplabv3plus_r18{}-d16_1xb2-30_toyscapes-96x192', 'deeplabv3plus_r18{}-d16_1xb2-30_toyvoc-96x96')
METHODS = ('', '-lpf3', '-ddac3')

# What both data sets share: the network and the optimizer.
COMMON = {
    'depth': 101,
    'deep stem': False,
    'strides': (1, 2, 2, 1),
    'dilations': (1, 1, 1, 2),
    'first block dilated': False,
    'norm of the backbone': {'type': 'BN', 'momentum': 0.01},
    'norm of the head': {'type': 'BN', 'momentum': 0.1},
    'ASPP rates': (1, 6, 12, 18),
    'ASPP channels': 256,
    'low-level channels': 48,
    'dropout': (0.1, 0.0),
    'align_corners': False,
    'separable': False,
    'auxiliary head': False,
    'loss': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True},
    'optimizer': {'type': 'SGD', 'momentum': 0.9, 'weight_decay': 1e-4},
    'backbone rate': 0.1,
    'power': 0.9,
    'test': 'whole',
    'seed': 1,
}
PUBLISHED = {
    CITYSCAPES: COMMON
    | {
        'learning rate': 0.00875,
        'batch': 14,
        'warm-up': 8000,
        'iterations': 80000,
        'crop': (768, 768),
        'classes': 19,
        'augmentation': ['RandomCrop', 'TorchvisionColorJitter', 'RandomFlip'],
    },
    VOC: COMMON
    | {
        'learning rate': 0.01,
        'batch': 16,
        'warm-up': 2000,
        'iterations': 30000,
        'crop': (513, 513),
        'classes': 21,
        'augmentation': ['RandomResize', 'RandomCrop', 'RandomFlip'],
    },
}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def load(name, method=''):
    return Config.fromfile(FOLDER / f'{name.format(method)}.py')


def pipeline(config):
    dataset = config.train_dataloader.dataset
    steps = dataset.pipeline if 'pipeline' in dataset else dataset.datasets[0].pipeline
    return {
        step.type: step for step in steps if step.type not in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
    }


def facts(config):
    """The table's items as they stand in a config and in the network that it builds."""
    with torch.device('meta'):
        model = MODELS.build(config.model)
    backbone, head = model.backbone, model.decode_head
    warm_up, poly = config.param_scheduler
    gpus = int(Path(config.filename).stem.split('_')[2][0])
    optimizer = dict(config.optim_wrapper.optimizer)
    return {
        'depth': backbone.depth,
        'deep stem': backbone.deep_stem,
        'strides': tuple(backbone.strides),
        'dilations': tuple(backbone.dilations),
        'first block dilated': backbone.layer4[0].conv2.dilation != (1, 1),
        'norm of the backbone': dict(config.model.backbone.norm_cfg),
        'norm of the head': dict(config.model.decode_head.norm_cfg),
        'ASPP rates': tuple(module.conv.dilation[0] for module in head.aspp_modules),
        'ASPP channels': head.bottleneck.out_channels,
        'low-level channels': head.c1_bottleneck.out_channels,
        'dropout': (head.projection_dropout.p, head.dropout_ratio),
        'align_corners': head.align_corners,
        'separable': head.separable,
        'auxiliary head': model.with_auxiliary_head,
        'loss': dict(config.model.decode_head.loss_decode),
        'learning rate': optimizer.pop('lr'),
        'optimizer': optimizer,
        'backbone rate': config.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult,
        'power': poly.power,
        'test': config.model.test_cfg.mode,
        'seed': config.randomness.seed,
        'batch': gpus * config.train_dataloader.batch_size,
        'warm-up': warm_up.end,
        'iterations': config.train_cfg.max_iters,
        'crop': pipeline(config)['RandomCrop'].crop_size,
        'classes': head.out_channels,
        'augmentation': list(pipeline(config)),
    }


@pytest.mark.parametrize('name', PUBLISHED, ids=['cityscapes', 'voc'])
def test_every_published_number(name):
    assert facts(load(name)) == PUBLISHED[name]


@pytest.mark.parametrize('name', PUBLISHED, ids=['cityscapes', 'voc'])
def test_poly_clock_starts_after_the_warm_up(name):
    config = load(name)
    warm_up, poly = config.param_scheduler
    assert (warm_up.type, warm_up.begin, poly.type, poly.begin) == ('LinearLR', 0, 'PolyLR', warm_up.end)
    assert poly.end - poly.begin == config.train_cfg.max_iters
    assert not (warm_up.by_epoch or poly.by_epoch)


def test_augmentation():
    cityscapes, voc = pipeline(load(CITYSCAPES)), pipeline(load(VOC))
    jitter = cityscapes['TorchvisionColorJitter']
    assert (jitter.brightness, jitter.contrast, jitter.saturation) == (0.5, 0.5, 0.5)
    assert 'cat_max_ratio' not in cityscapes['RandomCrop']
    assert voc['RandomResize'].ratio_range == (0.5, 2.0)
    assert load(VOC).model.data_preprocessor.seg_pad_val == 255


@pytest.mark.parametrize('name', [CITYSCAPES, TOYS[0]], ids=['r101', 'r18'])
@pytest.mark.parametrize(('method', 'layer'), [('-lpf3', BlurPool2d), ('-ddac3', AdaptiveBlurPool2d)])
def test_filters_stand_where_they_are_published(name, method, layer):
    """One in the max pool, two in the first block of each of the stages 2 to 4, at stride 1 in the last."""
    config = load(name, method)
    config.model.backbone.pop('init_cfg', None)
    with torch.device('meta'):
        backbone = MODELS.build(config.model.backbone)
    filters = {key: module for key, module in backbone.named_modules() if isinstance(module, layer)}
    assert [key.split('.')[0] for key in filters] == ['maxpool', *(f'layer{stage}' for stage in (2, 2, 3, 3, 4, 4))]
    assert [module.stride for module in filters.values()] == [(2, 2)] * 5 + [(1, 1)] * 2
    assert backbone.maxpool.kernel_size == 2
    assert {module.filt_size for module in filters.values()} == {3}
    if layer is AdaptiveBlurPool2d:
        assert {(module.groups, module.softmax) for module in filters.values()} == {(8, 'joint')}


@pytest.mark.parametrize('method', ['-lpf3', '-ddac3'])
def test_converted_imagenet_weights_fit(method):
    """`published2mm.py` writes them for the undilated backbone."""
    with torch.device('meta'):
        dilated = MODELS.build(load(TOYS[0], method).model.backbone).state_dict()
        undilated = MODELS.build(published_backbone(f'resnet18_{method[1:]}')).state_dict()
    assert {key: value.shape for key, value in dilated.items()} == {
        key: value.shape for key, value in undilated.items()
    }


@pytest.mark.parametrize('name', PUBLISHED, ids=['cityscapes', 'voc'])
@pytest.mark.parametrize('method', ['-lpf3', '-ddac3'])
def test_only_the_backbone_differs_from_the_baseline(name, method):
    antialiased, baseline = load(name, method).to_dict(), load(name).to_dict()
    own = antialiased['model'].pop('backbone')
    shared = baseline['model'].pop('backbone')
    assert antialiased == baseline
    assert own.pop('type') == 'Antialiased'
    assert own.pop('base') == shared.pop('type')
    assert own.pop('init_cfg')['checkpoint'] == f'data/weights/resnet101_{method[1:]}.pth'
    assert shared.pop('init_cfg')['checkpoint'] == 'torchvision://resnet101'
    assert {key: own[key] for key in shared} == shared
    assert own.keys() - shared.keys() == {'pool', 'convert'}
    assert load(name, method).model.backbone == load(CITYSCAPES, method).model.backbone


def test_every_combination_has_a_short_config():
    names = {name.format(method) for name, method in product([*PUBLISHED, *TOYS], METHODS)}
    assert {path.stem for path in FOLDER.glob('*.py')} == names
    assert max(len(path.read_text().splitlines()) for path in FOLDER.glob('*.py')) <= 20


@pytest.mark.parametrize(('size', 'low', 'deep'), [((257, 257), 65, 17), ((256, 256), 64, 16)], ids=['odd', 'even'])
@pytest.mark.parametrize('method', METHODS, ids=['baseline', 'lpf3', 'ddac3'])
def test_sizes_of_the_maps(size, low, deep, method):
    """Published: 65 and 17 of 257 pixels for the plain network; 64 and 16 where the max pool drops a row."""
    config = load(TOYS[0], method)
    config.model.backbone.update(base_channels=16, stem_channels=16)
    backbone = MODELS.build(config.model.backbone)
    backbone.eval()
    maps = backbone(torch.zeros(1, 3, *size))
    expected = (low, deep) if not method else (64, 16)
    assert (maps[0].shape[-1], maps[-1].shape[-1]) == expected
