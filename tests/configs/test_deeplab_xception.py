"""The configs of pytorch-deeplab-xception's menu against the figures of its train.py and its two scripts."""

import copy
import functools
import math
import re
from itertools import product
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, init_default_scope
from torch import nn

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d

FOLDER = Path(__file__).parents[2] / 'configs' / 'deeplab_xception'
LEAVES = sorted(FOLDER.glob('*.py'))
NAME = re.compile(
    r'deeplabv3plus_(?P<backbone>[a-z0-9]+?)(-(?P<option>lpf3|ddac3|focal|balanced|frozenbn))?-d(?P<stride>8|16)'
    r'_(?P<gpus>\d)xb(?P<batch>\d)-(?P<schedule>\d+k?)(-(?P<policy>step|cosine))?_(?P<dataset>\w+)-(?P<crop>\d+)x(?P=crop)'
)
METHODS = {None: None, 'lpf3': BlurPool2d, 'ddac3': AdaptiveBlurPool2d}
TYPES = {'r': 'ResNet', 'mobilenetv2': 'DilatedMobileNetV2', 'drn': 'DRN', 'xception': 'AlignedXception'}
STRIDES = {'r101': '16', 'mobilenetv2': '16', 'drn54': '8', 'xception65': '16'}  # DRN has but one
TOYS = {'r18': '16', 'mobilenetv2': '16', 'drn22': '8', 'xception41': '16'}
RATES = {'16': (1, 6, 12, 18), '8': (1, 12, 24, 36)}

# data set: pictures (COCO's without the published selection), epochs, learning rate, classes
PUBLISHED = {
    'voc12sbd': (10582, 50, 0.007, 21),
    'coco': (118287, 40, 0.01, 21),
    'cityscapes': (2975, 200, 0.01, 19),
}


@functools.cache
def load(path):
    return Config.fromfile(path)


def parsed(path):
    match = NAME.fullmatch(path.stem)
    assert match, path.stem
    return match


def of_dataset(*datasets):
    return pytest.mark.parametrize(
        'path', [path for path in LEAVES if parsed(path)['dataset'] in datasets], ids=lambda path: path.stem
    )


def leaf(name, policy=''):
    return copy.deepcopy(load(FOLDER / f'deeplabv3plus_{name}_4xb4-33k{policy}_voc12sbd-513x513.py'))


def test_every_combination_has_a_config():
    names = [parsed(path) for path in LEAVES]
    found = {(m['backbone'], m['option'], m['stride'], m['dataset']) for m in names if m['option'] in METHODS}
    grid = {(name, method, STRIDES[name], data) for name, method, data in product(STRIDES, METHODS, PUBLISHED)}
    grid |= {(name, method, TOYS[name], 'toyvoc') for name, method in product(TOYS, METHODS)}
    grid |= {('r101', method, '8', 'voc12sbd') for method in METHODS}
    assert found == grid
    assert {m['option'] for m in names} - METHODS.keys() == {'focal', 'balanced', 'frozenbn'}
    assert {m['policy'] for m in names} == {None, 'step', 'cosine'}


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_content_is_what_the_name_says(path):
    config, name = load(path), parsed(path)
    backbone, head = config.model.backbone, config.model.decode_head
    crop = (int(name['crop']), int(name['crop']))
    method = name['option'] if name['option'] in METHODS else None
    type = TYPES[name['backbone'].rstrip('0123456789') if name['backbone'] not in TYPES else name['backbone']]

    assert (backbone.type, backbone.get('base'), backbone.get('pool')) == (
        ('Antialiased', type, method) if method else (type, None, None)
    )
    dilated = {'dilated': 'blur'} if method == 'ddac3' and type == 'ResNet' else None
    assert backbone.get('convert') == dilated
    assert head.dilations == RATES[name['stride']]
    assert config.model.data_preprocessor.size == crop
    assert config.model.data_preprocessor.seg_pad_val == 255
    loader = config.train_dataloader
    assert loader.batch_size == int(name['batch'])
    for data in loader.dataset.get('datasets', [loader.dataset]):
        assert [step.crop_size for step in data.pipeline if step.type == 'RandomCrop'] == [crop]
    assert config.param_scheduler[-1].end == config.train_cfg.max_iters
    assert round(config.train_cfg.max_iters / 1000) == int(name['schedule'][:-1]) or name['dataset'] == 'toyvoc'
    assert head.loss_decode.loss_weight * int(name['gpus']) * int(name['batch']) == 1


@of_dataset(*PUBLISHED)
def test_published_hyperparameters(path):
    config, name = load(path), parsed(path)
    pictures, epochs, rate, classes = PUBLISHED[name['dataset']]
    head, optimizer = config.model.decode_head, config.optim_wrapper

    assert int(name['gpus']) * int(name['batch']) == 16
    assert config.train_cfg.max_iters == epochs * math.ceil(pictures / 16)
    assert optimizer.optimizer == dict(type='SGD', lr=rate, momentum=0.9, weight_decay=5e-4)
    assert optimizer.paramwise_cfg == dict(custom_keys=dict(decode_head=dict(lr_mult=10)))
    assert (head.type, head.channels, head.c1_channels, head.num_classes) == ('DeepLabXceptionHead', 256, 48, classes)
    assert (head.projection_dropout, head.fusion_dropouts, head.align_corners) == (0.5, (0.5, 0.1), True)
    assert head.norm_cfg == dict(type='SyncBN', requires_grad=True)
    assert config.randomness.seed == 1
    for data in config.train_dataloader.dataset.get('datasets', [config.train_dataloader.dataset]):
        steps = {step.type: step for step in data.pipeline}
        assert steps['RandomResize'].scale[1] == 513 and steps['RandomResize'].ratio_range == (0.5, 2.0)
        assert steps['RandomFlip'].prob == steps['mmpretrain.GaussianBlur'].prob == 0.5


# An Xception converts slowly; that it does is tested with the backbones.
@pytest.mark.parametrize(
    'path',
    [path for path in LEAVES if 'toyvoc' in path.stem and not re.search('xception41-(lpf|ddac)', path.stem)],
    ids=lambda path: path.stem,
)
def test_toys_build_with_their_stride_and_filters(path):
    init_default_scope('mmseg')
    name = parsed(path)
    config = copy.deepcopy(load(path).model)
    if isinstance(config.decode_head.loss_decode.get('class_weight'), str):
        config.decode_head.loss_decode.class_weight = [1.0] * 21
    model = MODELS.build(config)
    filters = {type(module) for module in model.modules() if isinstance(module, (BlurPool2d, AdaptiveBlurPool2d))}
    method = METHODS.get(name['option'])
    assert filters == ({method} if method else set())
    model.eval()
    low, high = model.backbone(torch.zeros(1, 3, 64, 64))
    assert (64 // low.shape[-1], 64 // high.shape[-1]) == (4, int(name['stride']))
    assert model.decode_head([low, high]).shape == (1, 21, 16, 16)


@pytest.mark.parametrize('name', ['r101-d16', 'r101-d8', 'mobilenetv2-d16', 'drn54-d8', 'xception65-d16'])
def test_full_networks_build(name):
    init_default_scope('mmseg')
    config = leaf(name).model
    config.backbone.pop('pretrained', None)  # which downloads
    with torch.device('meta'):
        model = MODELS.build(config).eval()
        low, high = model.backbone(torch.zeros(1, 3, 513, 513))
    stride = int(name.rpartition('-d')[2])
    assert (low.shape[2:], high.shape[2:]) == ((129, 129), (512 // stride + 1,) * 2)
    assert (low.shape[1], high.shape[1]) == (config.decode_head.c1_in_channels, config.decode_head.in_channels)


def test_multi_grid_is_a_multiple_of_the_dilation():
    for name, rates in {'r101-d16': (2, 4, 8), 'r101-d8': (4, 8, 16)}.items():
        with torch.device('meta'):
            init_default_scope('mmseg')
            backbone = MODELS.build(leaf(name).model.backbone)
        assert [block.conv2.dilation for block in backbone.layer4] == [(rate, rate) for rate in rates]
        assert {block.conv2.dilation for block in backbone.layer3} == {(1, 1) if name == 'r101-d16' else (2, 2)}


def test_focal_loss_is_the_published_one_but_for_the_mean():
    loss = leaf('r101-focal-d16').model.decode_head.loss_decode
    assert (loss.type, loss.gamma, loss.alpha, loss.get('variant')) == ('SoftmaxFocalLoss', 2, 0.5, None)


def test_balanced_loss_is_cross_entropy():
    loss = leaf('r101-balanced-d16').model.decode_head.loss_decode
    assert (loss.type, loss.gamma, loss.alpha, loss.class_weight[-4:]) == ('SoftmaxFocalLoss', 0, 1, '.npy')


def test_frozen_norms_are_those_of_the_backbone():
    model = leaf('r101-frozenbn-d16').model
    assert model.backbone.norm_cfg == dict(type='BN', requires_grad=False)
    assert model.backbone.norm_eval
    assert model.decode_head.norm_cfg.requires_grad


# The published formulas, of the iteration t of T; a step is a third of the training.
POLICIES = {
    '': lambda t, T: (1 - t / (T - 1)) ** 0.9,  # published: t / T; mmengine's ends with its last iteration
    '-cosine': lambda t, T: 0.5 * (1 + math.cos(t / T * math.pi)),
    '-step': lambda t, T: 0.1 ** (t // math.ceil(T / 3)),
}


@pytest.mark.parametrize('policy', POLICIES, ids=['poly', 'cosine', 'step'])
def test_learning_rates_follow_the_published_formula(policy):
    config = leaf('r101-d16', policy)
    (schedule,) = config.param_scheduler
    lengths = {'end': 33100, 'T_max': 33100, 'step_size': 11034}
    assert all(schedule[key] == length for key, length in lengths.items() if key in schedule)
    schedule |= {key: math.ceil(length / 100) for key, length in lengths.items() if key in schedule}
    model = nn.ModuleDict({'backbone': nn.Linear(1, 1, bias=False), 'decode_head': nn.Linear(1, 1, bias=False)})
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    scheduler = PARAM_SCHEDULERS.build(schedule, default_args=dict(optimizer=optimizer))
    for iteration in range(331):
        expected = 0.007 * POLICIES[policy](iteration, 331)
        rates = [group['lr'] for group in optimizer.param_groups[:2]]  # mmengine's own follows
        assert rates == pytest.approx([expected, 10 * expected], rel=1e-9, abs=1e-12)
        optimizer.step()
        scheduler.step()
