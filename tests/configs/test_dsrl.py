"""Dual super-resolution of Dootmaan/DSRL line by line, and what the paper does otherwise."""

import math
from itertools import product
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, init_default_scope
from torch import nn

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d

FOLDER = Path(__file__).parents[2] / 'configs' / 'dsrl'
SYSTEMS = ('deeplabv3plus', 'dsrl-dootmaan', 'dsrl-paper')
METHODS = {'': None, '-lpf3': BlurPool2d, '-ddac3': AdaptiveBlurPool2d}
FULL, TOY = '1xb4-744k_cityscapes-1024x1024', '1xb2-30_toyscapes-96x192'

# What the three share; figures of train.py and of modeling/ in Dootmaan/DSRL.
RECIPE = {
    'depth': 101,
    'strides': (1, 2, 2, 1),
    'rates of the last stage': [2, 4, 8],
    'rates of the pyramid': [1, 6, 12, 18],
    'channels of the pyramid': 256,
    'channels of the low-level map': 48,
    'dropout of pyramid and decoder': [0.5, 0.5, 0.1],
    'align_corners': True,
    'auxiliary head': False,
    'reduction of the input': 2,
    'crop': (1024, 1024),
    'scales': (0.5, 2.0),
    'blur': 0.5,
    'flip': 0.5,
    'batch': 4,
    'iterations': 1000 * math.ceil(2975 / 4),
    'rate of the backbone': 0.005,
    'rate of the head': 0.05,
    'optimizer': {'type': 'SGD', 'momentum': 0.9, 'weight_decay': 1e-4},
    'seed': 1,
    'test': 'whole',
}
DOOTMAAN = {
    'rate of the branch': 0.05,  # published: 0
    'rate of the feature transform': 0.05,  # published: 0
    'weights of segmentation, image, affinity': (1 / 4, 0.5, 0.5),
    'upsampling of the logits': 'bilinear',
    'decoder of the branch': [('Conv2d', 256), ('Dropout', 0.5), ('Conv2d', 128), ('Dropout', 0.1), ('Conv2d', 64)],
    'stages of the branch': ['ConvTranspose2d', 'ConvTranspose2d', 'ConvTranspose2d'],
    'feature transform': (19, 3),
    'features of the affinity': None,
    'affinity': (16, False, 'sum'),
}
PUBLISHED = {
    'deeplabv3plus': RECIPE,
    'dsrl-dootmaan': RECIPE | DOOTMAAN,
    'dsrl-paper': RECIPE
    | DOOTMAAN
    | {
        'weights of segmentation, image, affinity': (1.0, 0.1, 1.0),
        'upsampling of the logits': 'learned',
        'stages of the branch': ['PixelShuffle'],
        'feature transform': (256, 64),
        'features of the affinity': 'decode_head.fusion',
        'affinity': (8, True, 'mean'),
    },
}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def load(system, method='', rest=FULL):
    depth = 101 if rest == FULL else 18
    return Config.fromfile(FOLDER / f'{system}_r{depth}{method}-d16_{rest}.py')


def build(config):
    config.model.backbone.pop('init_cfg', None)
    with torch.device('meta'):
        return MODELS.build(config.model)


def rates(config):
    """The learning rate that the optimizer starts with for every part of the network."""
    parts = ('backbone', 'decode_head', 'sisr_head', 'feature_transform', 'learned_upsampling')
    model = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in parts})
    groups = build_optim_wrapper(model, config.optim_wrapper).param_groups[: len(parts)]  # mmengine's own follows
    return dict(zip(parts, (group['lr'] for group in groups), strict=True))


def facts(config):
    """The table's items as they stand in a config and in the network that it builds."""
    model, steps = build(config), {step.type: step for step in config.train_dataloader.dataset.pipeline}
    head, start, optimizer = model.decode_head, rates(config), dict(config.optim_wrapper.optimizer)
    assert optimizer.pop('lr') == start['decode_head'] == start['learned_upsampling']
    values = {
        'depth': model.backbone.depth,
        'strides': tuple(model.backbone.strides),
        'rates of the last stage': [block.conv2.dilation[0] for block in model.backbone.layer4],
        'rates of the pyramid': [module.conv.dilation[0] for module in head.aspp_modules],
        'channels of the pyramid': head.bottleneck.out_channels,
        'channels of the low-level map': head.c1_bottleneck.out_channels,
        'dropout of pyramid and decoder': [module.p for module in head.modules() if isinstance(module, nn.Dropout)],
        'align_corners': head.align_corners,
        'auxiliary head': model.with_auxiliary_head,
        'reduction of the input': model.data_preprocessor.factor,
        'crop': steps['RandomCrop'].crop_size,
        'scales': steps['RandomResize'].ratio_range,
        'blur': steps['mmpretrain.GaussianBlur'].prob,
        'flip': steps['RandomFlip'].prob,
        'batch': config.train_dataloader.batch_size,
        'iterations': config.train_cfg.max_iters,
        'rate of the backbone': pytest.approx(start['backbone'], rel=1e-12),
        'rate of the head': start['decode_head'],
        'optimizer': optimizer,
        'seed': config.randomness.seed,
        'test': config.model.test_cfg.mode,
    }
    assert config.model.data_preprocessor.size == steps['Pad'].size == steps['RandomCrop'].crop_size
    if config.model.type == 'EncoderDecoder':
        return values
    decoder, affinity = model.sisr_head.decoder, model.loss_affinity
    layers = [getattr(module, 'conv', module) for module in decoder]
    stages = [type(module).__name__ for module in model.sisr_head.upsampling.modules()]
    return values | {
        'rate of the branch': start['sisr_head'],
        'rate of the feature transform': start['feature_transform'],
        'weights of segmentation, image, affinity': (
            *(head.loss_decode.loss_weight, model.mse_weight),
            affinity.loss_weight,
        ),
        'upsampling of the logits': model.upsampling,
        'decoder of the branch': [
            (type(layer).__name__, layer.p if isinstance(layer, nn.Dropout) else layer.out_channels) for layer in layers
        ],
        'stages of the branch': [name for name in stages if name in ('ConvTranspose2d', 'PixelShuffle')],
        'feature transform': (model.feature_transform[0].in_channels, model.feature_transform[0].out_channels),
        'features of the affinity': model.feature_transform.source,
        'affinity': (affinity.stride, affinity.normalized, affinity.reduction),
    }


@pytest.mark.parametrize('system', SYSTEMS)
def test_every_published_number(system):
    assert facts(load(system)) == PUBLISHED[system]


def test_learning_rates_follow_the_published_formula():
    config = load('dsrl-dootmaan')
    (schedule,) = config.param_scheduler
    assert schedule.end == config.train_cfg.max_iters + 1
    schedule.end = 744 + 1
    model = nn.ModuleDict({'backbone': nn.Linear(1, 1, bias=False), 'decode_head': nn.Linear(1, 1, bias=False)})
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    scheduler = PARAM_SCHEDULERS.build(schedule, default_args=dict(optimizer=optimizer))
    for iteration in range(744):
        rate = 0.005 * (1 - iteration / 744) ** 0.9
        rates = [group['lr'] for group in optimizer.param_groups[:2]]  # mmengine's own follows
        assert rates == pytest.approx([rate, 10 * rate], rel=1e-9)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(('method', 'layer'), METHODS.items(), ids=['baseline', 'lpf3', 'ddac3'])
@pytest.mark.parametrize(('system', 'rest'), [*product(SYSTEMS, (FULL, TOY))])
def test_filters_stand_where_they_are_published(system, rest, method, layer):
    """One in the max pool, two in the first block of each of the stages 2 to 4, at stride 1 in the last."""
    config = load(system, method, rest).model.backbone
    config.pop('init_cfg', None)
    with torch.device('meta'):
        backbone = MODELS.build(config)
    filters = {
        name: module for name, module in backbone.named_modules() if isinstance(module, BlurPool2d | AdaptiveBlurPool2d)
    }
    places = [name.split('.')[0] for name in filters]
    assert {type(module) for module in filters.values()} == ({layer} if layer else set())
    assert places == (['maxpool', *(f'layer{stage}' for stage in (2, 2, 3, 3, 4, 4))] if layer else [])
    assert [module.stride for module in filters.values()] == ([(2, 2)] * 5 + [(1, 1)] * 2 if layer else [])


@pytest.mark.parametrize('system', SYSTEMS)
@pytest.mark.parametrize('method', ['-lpf3', '-ddac3'])
def test_only_the_backbone_differs_from_the_baseline(system, method):
    antialiased, baseline = load(system, method).to_dict(), load(system).to_dict()
    own, shared = antialiased['model'].pop('backbone'), baseline['model'].pop('backbone')
    assert antialiased == baseline
    assert (own.pop('type'), own.pop('base')) == ('Antialiased', shared.pop('type'))
    assert own.pop('init_cfg')['checkpoint'] == f'data/weights/resnet101_{method[1:]}.pth'
    assert shared.pop('init_cfg')['checkpoint'] == 'torchvision://resnet101'
    assert {key: own[key] for key in shared} == shared
    assert own.keys() - shared.keys() == {'pool', 'convert'}


def test_every_combination_has_a_short_config():
    names = {
        f'{system}_r{depth}{method}-d16_{rest}'
        for system, method, (depth, rest) in product(SYSTEMS, METHODS, ((101, FULL), (18, TOY)))
    }
    assert {path.stem for path in FOLDER.glob('*.py')} == names
    assert max(len(path.read_text().splitlines()) for path in FOLDER.glob('*.py')) <= 20


@pytest.mark.parametrize('rest', [FULL, TOY], ids=['cityscapes', 'toyscapes'])
@pytest.mark.parametrize('system', SYSTEMS)
def test_image_is_measured_where_there_is_a_branch(system, rest):
    config = load(system, rest=rest)
    evaluators = config.val_evaluator if isinstance(config.val_evaluator, list) else [config.val_evaluator]
    dual = system != 'deeplabv3plus'
    assert config.val_evaluator == config.test_evaluator
    assert [metric.type for metric in evaluators] == ['IoUMetric', *(['PeakSignalNoiseRatio'] if dual else [])]
    assert config.model.test_cfg.get('super_resolution', False) == dual
