"""DeepLabV3 with batch norm, and with group norm and weight standardisation, line by line."""

from itertools import product
from pathlib import Path

import pytest
import torch
from mmcv.cnn.bricks import ConvWS2d
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d, convert_antialias

FOLDER = Path(__file__).parents[2] / 'configs' / 'deeplabv3_gnws'
VOC = 'deeplabv3_r101{}-d16_1xb16-33k_voc12aug-513x513'
CITYSCAPES = 'deeplabv3_r101{}-d16_4xb5-72k_cityscapes-769x769'
TOY = 'deeplabv3_r18{}-d16_1xb2-30_toyvoc-96x96'
NORMS, GRIDS, METHODS = ('', '-gnws'), ('', '-mg124'), ('', '-lpf3', '-ddac3')

COMMON = {
    'depth': 101,
    'deep stem': False,
    'strides': (1, 2, 2, 1),
    'norm of the backbone': {'type': 'BN', 'momentum': 0.05},
    'norm of the head': {'type': 'BN', 'momentum': 0.0003},
    'ASPP rates': (1, 6, 12, 18),
    'ASPP channels': 256,
    'projection': (1, 1),
    'dropout': (0.0, 0.0),
    'align_corners': True,
    'auxiliary head': False,
    'loss': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True},
    'optimizer': {'type': 'SGD', 'momentum': 0.9, 'weight_decay': 1e-4},
    'schedule': {'type': 'PolyLR', 'eta_min': 0.0, 'power': 0.9, 'begin': 0, 'by_epoch': False},
    'scale': (0.5, 2.0, 'pillow', 'lanczos'),
    'augmentation': ['RandomFlip', 'LogRandomResize', 'RandomCrop'],
    'test': 'whole',
}
PUBLISHED = {
    VOC: COMMON
    | {
        'learning rate': 0.007,
        'last_mult': 1.0,
        'batch': 16,
        'epochs': 50,
        'pictures': 10582,
        'crop': (513, 513),
        'test size': (513, 513),
        'classes': 21,
    },
    CITYSCAPES: COMMON
    | {
        'learning rate': 0.01,
        'last_mult': 10.0,
        'batch': 20,
        'epochs': 480,
        'pictures': 2975,
        'crop': (769, 769),
        'test size': (1025, 2049),
        'classes': 19,
    },
}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def load(name, *variant):
    return Config.fromfile(FOLDER / f'{name.format("".join(variant))}.py')


def pipeline(config):
    dataset = config.train_dataloader.dataset
    steps = dataset.pipeline if 'pipeline' in dataset else dataset.datasets[0].pipeline
    return {
        step.type: step for step in steps if step.type not in ('LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs')
    }


def facts(config, pictures):
    """The table's items as they stand in a config and in the network that it builds."""
    with torch.device('meta'):
        model = MODELS.build(config.model)
    backbone, head, steps = model.backbone, model.decode_head, pipeline(config)
    optimizer, schedule = dict(config.optim_wrapper.optimizer), dict(config.param_scheduler[0])
    custom = config.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
    batch = int(Path(config.filename).stem.split('_')[2][0]) * config.train_dataloader.batch_size
    resize = steps['LogRandomResize']
    assert schedule.pop('end') == config.train_cfg.max_iters
    return {
        'depth': backbone.depth,
        'deep stem': backbone.deep_stem,
        'strides': tuple(backbone.strides),
        'norm of the backbone': dict(config.model.backbone.norm_cfg),
        'norm of the head': dict(config.model.decode_head.norm_cfg),
        'ASPP rates': tuple(module.conv.dilation[0] for module in head.aspp_modules),
        'ASPP channels': head.bottleneck.out_channels,
        'projection': head.bottleneck.kernel_size,
        'dropout': (head.projection_dropout.p, head.dropout_ratio),
        'align_corners': head.align_corners,
        'auxiliary head': model.with_auxiliary_head,
        'loss': dict(config.model.decode_head.loss_decode),
        'learning rate': optimizer.pop('lr'),
        'optimizer': optimizer,
        'schedule': schedule,
        'scale': (*resize.ratio_range, resize.backend, resize.interpolation),
        'augmentation': list(steps),
        'test': config.model.test_cfg.mode,
        'last_mult': custom.get('decode_head', {}).get('lr_mult', 1.0),
        'batch': batch,
        'epochs': config.train_cfg.max_iters / -(-pictures // batch),
        'pictures': pictures,
        'crop': steps['RandomCrop'].crop_size,
        'test size': config.model.data_preprocessor.test_cfg.size,
        'classes': head.out_channels,
    }


@pytest.mark.parametrize('name', PUBLISHED, ids=['voc', 'cityscapes'])
def test_every_published_number(name):
    config = load(name)
    assert facts(config, PUBLISHED[name]['pictures']) == PUBLISHED[name]
    assert {len(data.pipeline) for data in config.train_dataloader.dataset.get('datasets', [])} <= {6}
    assert config.model.data_preprocessor.size == PUBLISHED[name]['crop']


@pytest.mark.parametrize('name', [VOC, CITYSCAPES, TOY], ids=['voc', 'cityscapes', 'toy'])
def test_group_norm_and_weight_standardisation(name):
    """32 groups everywhere, and standardised weights in all convolutions but that of the classes."""
    with torch.device('meta'):
        model = MODELS.build(load(name, '-gnws').model)
    norms = [
        module for module in model.modules() if isinstance(module, (nn.GroupNorm, nn.modules.batchnorm._BatchNorm))
    ]
    assert {(type(module), module.num_groups) for module in norms} == {(nn.GroupNorm, 32)}
    convolutions = {key: type(module) for key, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    assert convolutions.pop('decode_head.conv_seg') is nn.Conv2d
    assert set(convolutions.values()) == {ConvWS2d}
    assert len(convolutions) == len(norms)


@pytest.mark.parametrize(('grid', 'rates'), [('', (1, 2, 2)), ('-mg124', (2, 4, 8))], ids=['1-1-1', '1-2-4'])
@pytest.mark.parametrize('norm', NORMS, ids=['bn', 'gnws'])
def test_multi_grid(norm, grid, rates):
    """(1, 2, 4) times the rate of the stage, 2; (1, 1, 1) as published, where the first block has the rate 1."""
    with torch.device('meta'):
        backbone = MODELS.build(load(VOC, norm, grid).model.backbone)
    assert tuple(block.conv2.dilation[0] for block in backbone.layer4) == rates
    assert {block.conv2.dilation for stage in (1, 2, 3) for block in getattr(backbone, f'layer{stage}')} == {(1, 1)}


@pytest.mark.parametrize(('method', 'layer', 'count'), [('-lpf3', BlurPool2d, 5), ('-ddac3', AdaptiveBlurPool2d, 7)])
@pytest.mark.parametrize('grid', GRIDS, ids=['1-1-1', '1-2-4'])
@pytest.mark.parametrize('norm', NORMS, ids=['bn', 'gnws'])
def test_antialiased(norm, grid, method, layer, count):
    config = load(TOY, norm, grid, method).model.backbone | {'base_channels': 32, 'stem_channels': 32}
    backbone = MODELS.build(config)
    backbone.eval()
    assert sum(isinstance(module, layer) for module in backbone.modules()) == count
    assert [x.shape[-1] for x in backbone(torch.zeros(1, 3, 97, 97))] == [25, 13, 7, 7]


@torch.no_grad()
def test_conversion_keeps_weight_standardisation():
    """Plain subsampling is the same network but for the statistics of group norm, which the denser maps change."""
    config = load(TOY, '-gnws').model.backbone | {'base_channels': 32, 'stem_channels': 32}
    config.norm_cfg = {'type': 'BN'}
    plain = MODELS.build(config).double()
    plain.eval()
    x = torch.randn(1, 3, 65, 97, dtype=torch.float64)
    expected = plain(x)
    converted = convert_antialias(plain, 'lpf1', avgpool='keep')
    for actual, map_ in zip(converted(x), expected, strict=True):
        torch.testing.assert_close(actual, map_, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('name', [VOC, CITYSCAPES], ids=['voc', 'cityscapes'])
@pytest.mark.parametrize('norm', NORMS, ids=['bn', 'gnws'])
def test_a_variant_changes_what_its_name_says(name, norm):
    def difference(*variant):
        config, base = load(name, *variant).to_dict(), load(name).to_dict()
        parts = {part: (config['model'].pop(part), base['model'].pop(part)) for part in ('backbone', 'decode_head')}
        assert config == base
        return {part: {key for key in new if new[key] != old.get(key)} for part, (new, old) in parts.items()}

    changed = {'norm_cfg', 'conv_cfg'} if norm else set()
    weights = {'init_cfg'} if norm else set()
    assert difference(norm) == {'backbone': changed | weights, 'decode_head': changed}
    assert difference(norm, '-mg124') == {'backbone': changed | weights | {'multi_grid'}, 'decode_head': changed}
    lpf = changed | weights | {'type', 'base', 'pool'}
    assert difference(norm, '-lpf3') == {'backbone': lpf, 'decode_head': changed}
    assert difference(norm, '-ddac3') == {'backbone': lpf | {'convert'}, 'decode_head': changed}


def test_every_combination_has_a_short_config():
    variants = [''.join(parts) for parts in product(NORMS, GRIDS, METHODS)]
    names = {name.format(variant) for name, variant in product((VOC, CITYSCAPES, TOY), variants)}
    assert {path.stem for path in FOLDER.glob('*.py')} == names
    assert max(len(path.read_text().splitlines()) for path in FOLDER.glob('*.py')) <= 20
