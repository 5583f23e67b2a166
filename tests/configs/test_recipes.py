"""The published segmentors line by line: what their papers and programs say, and what a config makes of it."""

import math
from pathlib import Path

import pytest
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from tests.configs.leaves import build, difference, load, parse, pipelines

# "Delving Deeper into Anti-aliasing in ConvNets", on VainF/DeepLabV3Plus-Pytorch
DDAC = {
    'depth': 101,
    'deep stem': False,
    'strides': (1, 2, 2, 1),
    'rates of the last stage': [1, 2, 2],
    'norm of the backbone': {'type': 'BN', 'momentum': 0.01},
    'norm of the head': {'type': 'BN', 'momentum': 0.1},
    'rates of the pyramid': [1, 6, 12, 18],
    'channels of the pyramid': 256,
    'channels of the low-level map': 48,
    'dropout': [0.1],
    'align_corners': False,
    'auxiliary head': False,
    'loss': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True},
    'optimizer': {'type': 'SGD', 'momentum': 0.9, 'weight_decay': 1e-4},
    'power': 0.9,
    'test': 'whole',
    'seed': 1,
}
# chenxi116/DeepLabv3.pytorch
DEEPLAB_V3 = DDAC | {
    'norm of the backbone': {'type': 'BN', 'momentum': 0.05},
    'norm of the head': {'type': 'BN', 'momentum': 0.0003},
    'channels of the low-level map': None,
    'dropout': [],
    'align_corners': True,
    'warm-up': 0,
    'lowest rate': 0,
    'seed': 0,
    'augmentation': ['RandomFlip', 'LogRandomResize', 'RandomCrop'],
    'scale': (0.5, 2.0, 'pillow', 'lanczos'),
}
# jfzhang95/pytorch-deeplab-xception, whose scripts divide the loss by the batch once more
XCEPTION = DDAC | {
    'rates of the last stage': [2, 4, 8],
    'norm of the backbone': {'type': 'SyncBN', 'requires_grad': True},
    'norm of the head': {'type': 'SyncBN', 'requires_grad': True},
    'dropout': [0.5, 0.5, 0.1],
    'align_corners': True,
    'loss': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True, 'loss_weight': 1 / 16},
    'optimizer': {'type': 'SGD', 'momentum': 0.9, 'weight_decay': 5e-4},
    'warm-up': 0,
    'lowest rate': 0,
    'batch': 16,
    'crop': (513, 513),
    'augmentation': ['RandomFlip', 'RandomResize', 'RandomCrop', 'mmpretrain.GaussianBlur'],
    'scale': (0.5, 2.0, None, None),
    'flip': 0.5,
    'blur': 0.5,
}
# Dootmaan/DSRL
DSRL = XCEPTION | {
    'norm of the backbone': {'type': 'BN'},
    'norm of the head': {'type': 'BN'},
    'loss': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True, 'loss_weight': 1 / 4},
    'optimizer': {'type': 'SGD', 'momentum': 0.9, 'weight_decay': 1e-4},
    'rates': (0.005, 0.05),
    'batch': 4,
    'iterations': 1000 * math.ceil(2975 / 4),
    'crop': (1024, 1024),
    'reduction of the input': 2,
    'classes': 19,
    'augmentation': ['RandomFlip', 'RandomResize', 'RandomCrop', 'Pad', 'mmpretrain.GaussianBlur'],
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
PAPER = {
    'loss': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True, 'loss_weight': 1.0},
    'weights of segmentation, image, affinity': (1.0, 0.1, 1.0),
    'upsampling of the logits': 'learned',
    'stages of the branch': ['PixelShuffle'],
    'feature transform': (256, 64),
    'features of the affinity': 'decode_head.fusion',
    'affinity': (8, True, 'mean'),
}


def epochs(pictures, batch, count):
    """The iterations of a number of epochs."""
    return count * math.ceil(pictures / batch)


SEGMENTORS = {
    'ddac/deeplabv3plus_r101-d16_2xb7-80k_cityscapes-768x768': DDAC
    | {'rates': (0.000875, 0.00875), 'batch': 14, 'warm-up': 8000, 'iterations': 80000, 'classes': 19}
    | {'crop': (768, 768), 'augmentation': ['RandomCrop', 'TorchvisionColorJitter', 'RandomFlip']},
    'ddac/deeplabv3plus_r101-d16_2xb8-30k_voc12aug-513x513': DDAC
    | {'rates': (0.001, 0.01), 'batch': 16, 'warm-up': 2000, 'iterations': 30000, 'classes': 21}
    | {'crop': (513, 513), 'scale': (0.5, 2.0, None, None)}
    | {'augmentation': ['RandomResize', 'RandomCrop', 'RandomFlip']},
    'deeplabv3_gnws/deeplabv3_r101-d16_1xb16-33k_voc12aug-513x513': DEEPLAB_V3
    | {'rates': (0.007, 0.007), 'batch': 16, 'iterations': epochs(10582, 16, 50), 'classes': 21}
    | {'crop': (513, 513), 'test size': (513, 513)},
    'deeplabv3_gnws/deeplabv3_r101-mg124-d16_1xb16-33k_voc12aug-513x513': DEEPLAB_V3
    | {'rates of the last stage': [2, 4, 8]},
    'deeplabv3_gnws/deeplabv3_r101-d16_4xb5-72k_cityscapes-769x769': DEEPLAB_V3
    | {'rates': (0.01, 0.1), 'batch': 20, 'iterations': epochs(2975, 20, 480), 'classes': 19}
    | {'crop': (769, 769), 'test size': (1025, 2049)},
    'deeplab_xception/deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513': XCEPTION
    | {'rates': (0.007, 0.07), 'iterations': epochs(10582, 16, 50), 'classes': 21},
    'deeplab_xception/deeplabv3plus_r101-d8_4xb4-33k_voc12sbd-513x513': XCEPTION
    | {'strides': (1, 2, 1, 1), 'rates of the last stage': [4, 8, 16], 'rates of the pyramid': [1, 12, 24, 36]},
    'deeplab_xception/deeplabv3plus_r101-d16_4xb4-296k_coco-513x513': XCEPTION
    | {'rates': (0.01, 0.1), 'iterations': epochs(118287, 16, 40), 'classes': 21},
    'deeplab_xception/deeplabv3plus_r101-d16_4xb4-37k_cityscapes-513x513': XCEPTION
    | {'rates': (0.01, 0.1), 'iterations': epochs(2975, 16, 200), 'classes': 19},
    'dsrl/deeplabv3plus_r101-d16_1xb4-744k_cityscapes-1024x1024': DSRL,
    'dsrl/dsrl-dootmaan_r101-d16_1xb4-744k_cityscapes-1024x1024': DSRL | DOOTMAAN,
    'dsrl/dsrl-paper_r101-d16_1xb4-744k_cityscapes-1024x1024': DSRL | DOOTMAAN | PAPER,
}


def rates_of(config):
    """The learning rate that the optimizer starts with for every part of the network."""
    parts = ('backbone', 'decode_head', 'sisr_head', 'feature_transform', 'learned_upsampling')
    model = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in parts})
    groups = build_optim_wrapper(model, config.optim_wrapper).param_groups
    rates = [group['lr'] for group in groups for _ in group['params']][: len(parts)]  # mmengine's own follows
    return dict(zip(parts, rates, strict=True))


def facts(config):
    """The tables' items as they stand in a config and in the network that it builds."""
    model, steps, rates = build(config.model), pipelines(config)[0], rates_of(config)
    backbone, head = model.backbone, model.decode_head
    optimizer = {key: value for key, value in config.optim_wrapper.optimizer.items() if key != 'lr'}
    *warm_up, poly = config.param_scheduler
    resize = steps.get('RandomResize') or steps.get('LogRandomResize')
    found = {
        'depth': backbone.depth,
        'deep stem': backbone.deep_stem,
        'strides': tuple(backbone.strides),
        'rates of the last stage': [block.conv2.dilation[0] for block in backbone.layer4],
        'norm of the backbone': dict(config.model.backbone.norm_cfg),
        'norm of the head': dict(config.model.decode_head.norm_cfg),
        'rates of the pyramid': [module.conv.dilation[0] for module in head.aspp_modules],
        'channels of the pyramid': head.bottleneck.out_channels,
        'channels of the low-level map': head.c1_bottleneck.out_channels if hasattr(head, 'c1_bottleneck') else None,
        'dropout': [module.p for module in head.modules() if type(module) in (nn.Dropout, nn.Dropout2d) and module.p],
        'align_corners': head.align_corners,
        'auxiliary head': model.with_auxiliary_head,
        'loss': dict(config.model.decode_head.loss_decode),
        'optimizer': optimizer,
        'rates': (pytest.approx(rates['backbone']), pytest.approx(rates['decode_head'])),
        'power': poly.power,
        'lowest rate': poly.eta_min,
        'warm-up': sum(each.end for each in warm_up),
        'iterations': config.train_cfg.max_iters,
        'batch': int(parse(Path(config.filename))['gpus']) * config.train_dataloader.batch_size,
        'seed': config.randomness.seed,
        'crop': steps['RandomCrop'].crop_size,
        'test size': config.model.data_preprocessor.get('test_cfg', {}).get('size'),
        'reduction of the input': config.model.data_preprocessor.get('factor', 1),
        'classes': head.out_channels,
        'augmentation': list(steps),
        'scale': resize and (*resize.ratio_range, resize.get('backend'), resize.get('interpolation')),
        'flip': steps['RandomFlip'].prob,
        'blur': steps.get('mmpretrain.GaussianBlur', {}).get('prob'),
        'test': config.model.test_cfg.mode,
    }
    return found | (branch(model, rates) if hasattr(model, 'sisr_head') else {})


def branch(model, rates):
    """What dual super-resolution adds."""
    layers = [getattr(module, 'conv', module) for module in model.sisr_head.decoder]
    stages = [type(module).__name__ for module in model.sisr_head.upsampling.modules()]
    affinity, head = model.loss_affinity, model.decode_head
    assert rates['learned_upsampling'] == rates['decode_head']
    return {
        'rate of the branch': rates['sisr_head'],
        'rate of the feature transform': rates['feature_transform'],
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


@pytest.mark.parametrize('name', SEGMENTORS)
def test_every_published_number(name):
    config = load(name)
    found, expected = facts(config), SEGMENTORS[name]
    assert {key: found[key] for key in expected} == expected
    assert all(steps.keys() == pipelines(config)[0].keys() for steps in pipelines(config))


@pytest.mark.parametrize('name', [name for name in SEGMENTORS if name.startswith('ddac')])
def test_poly_clock_starts_after_the_warm_up(name):
    config = load(name)
    warm_up, poly = config.param_scheduler
    assert (warm_up.type, warm_up.begin, poly.type, poly.begin) == ('LinearLR', 0, 'PolyLR', warm_up.end)
    assert poly.end - poly.begin == config.train_cfg.max_iters
    assert not (warm_up.by_epoch or poly.by_epoch)


def test_jitter_of_ddac():
    steps = pipelines(load('ddac/deeplabv3plus_r101-d16_2xb7-80k_cityscapes-768x768'))[0]
    jitter = steps['TorchvisionColorJitter']
    assert (jitter.brightness, jitter.contrast, jitter.saturation) == (0.5, 0.5, 0.5)
    assert 'cat_max_ratio' not in steps['RandomCrop']


VOC, COSINE, STEP = (
    f'deeplab_xception/deeplabv3plus_r101-d16_4xb4-33k{policy}_voc12sbd-513x513' for policy in ('', '-cosine', '-step')
)
FULL = 'dsrl/dsrl-dootmaan_r101-d16_1xb4-744k_cityscapes-1024x1024'
# The published formulas, of the iteration t of T; a step is a third of the training.
POLICIES = {
    VOC: (0.007, lambda t, T: (1 - t / (T - 1)) ** 0.9),  # published: t / T; mmengine's ends with its last iteration
    COSINE: (0.007, lambda t, T: 0.5 * (1 + math.cos(t / T * math.pi))),
    STEP: (0.007, lambda t, T: 0.1 ** (t // math.ceil(T / 3))),
    FULL: (0.005, lambda t, T: (1 - t / T) ** 0.9),
}


@pytest.mark.parametrize('name', POLICIES)
def test_learning_rates_follow_the_published_formula(name):
    """In a hundredth or a thousandth of the iterations; the head learns ten times as fast as the backbone."""
    config, (rate, formula) = load(name), POLICIES[name]
    short = 1000 if name == FULL else 100
    (schedule,), total = config.param_scheduler, math.ceil(config.train_cfg.max_iters / short)
    lengths = {key: schedule[key] for key in ('end', 'T_max', 'step_size') if key in schedule}
    assert set(lengths.values()) <= {config.train_cfg.max_iters + (name == FULL), math.ceil(33100 / 3)}
    schedule |= {key: math.ceil((length - (name == FULL)) / short) + (name == FULL) for key, length in lengths.items()}
    model = nn.ModuleDict({'backbone': nn.Linear(1, 1, bias=False), 'decode_head': nn.Linear(1, 1, bias=False)})
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    scheduler = PARAM_SCHEDULERS.build(schedule, default_args=dict(optimizer=optimizer))
    for iteration in range(total):
        expected = rate * formula(iteration, total)
        rates = [group['lr'] for group in optimizer.param_groups[:2]]  # mmengine's own follows
        assert rates == pytest.approx([expected, 10 * expected], rel=1e-9, abs=1e-12)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    ('option', 'values'),
    [
        ('focal', {'type': 'SoftmaxFocalLoss', 'gamma': 2.0, 'alpha': 0.5, 'loss_weight': 1 / 16}),
        (
            'balanced',  # cross entropy
            {'type': 'SoftmaxFocalLoss', 'gamma': 0.0, 'alpha': 1.0, 'loss_weight': 1 / 16, 'loss_name': 'loss_ce'}
            | {'class_weight': 'data/VOCdevkit/VOC2012/class_weights.npy'},
        ),
    ],
)
def test_losses_of_the_menu(option, values):
    config, plain = load(VOC.replace('-d16', f'-{option}-d16')), load(VOC)
    assert config.model.decode_head.pop('loss_decode') == values
    plain.model.decode_head.pop('loss_decode')
    assert config.to_dict() == plain.to_dict()


def test_frozen_norms_are_those_of_the_backbone():
    config, plain = load(VOC.replace('-d16', '-frozenbn-d16')), load(VOC)
    assert config.model.backbone.norm_cfg == dict(type='BN', requires_grad=False)
    assert config.model.backbone.norm_eval and config.model.decode_head.norm_cfg.requires_grad
    changed = difference(config.to_dict(), plain.to_dict())
    assert changed == {'model.backbone.norm_eval'} | {
        f'model.backbone.norm_cfg.{key}' for key in ('type', 'requires_grad')
    }


@pytest.mark.parametrize('system', ['deeplabv3plus', 'dsrl-dootmaan', 'dsrl-paper'])
def test_image_is_measured_where_there_is_a_branch(system):
    config = load(f'dsrl/{system}_r101-d16_1xb4-744k_cityscapes-1024x1024')
    evaluators = config.val_evaluator if isinstance(config.val_evaluator, list) else [config.val_evaluator]
    dual = system != 'deeplabv3plus'
    assert config.val_evaluator == config.test_evaluator
    assert [metric.type for metric in evaluators] == ['IoUMetric', *(['PeakSignalNoiseRatio'] if dual else [])]
    assert config.model.test_cfg.get('super_resolution', False) == dual


@pytest.mark.parametrize('rest', ['2xb7-80k_cityscapes-768x768', '2xb8-30k_voc12aug-512x512'])
def test_equivariant(rest):
    """Sides are multiples of the stride; the temperature of LPS falls to the end of the training."""
    aps, lps = (load(f'equivariant/deeplabv3plus_r101-{method}-d16_{rest}') for method in ('aps3', 'lps3'))
    divisor = aps.model.data_preprocessor.test_cfg.size_divisor
    assert not any(side % divisor for side in pipelines(aps)[0]['RandomCrop'].crop_size)
    assert aps.test_cfg.get('circular', False) == ('cityscapes' in rest)
    assert difference(lps.to_dict(), aps.to_dict()) == {'model.backbone.pool', 'custom_hooks'}
    (hook,) = [hook for hook in lps.custom_hooks if hook.type == 'GumbelTemperatureHook']
    shares = [milestone / lps.train_cfg.max_iters for milestone in hook.milestones]
    assert shares == pytest.approx([0, 62 / 90, 82 / 90, 1], abs=0.02)
    assert (hook.temperatures, hook.by_epoch) == ([1.0, 0.5, 0.05, 0.01], False)
