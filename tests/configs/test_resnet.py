"""The ImageNet recipes of "Making Convolutional Networks Shift-Invariant Again" and of DDAC, line by line."""

from functools import partial
from itertools import product
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d
from antialias_plugins.checkpoints.published import published_arguments
from antialias_plugins.coverage import Network
from antialias_plugins.openmmlab.backbones import published_backbone

FOLDER = Path(__file__).parents[2] / 'configs' / 'resnet'
DEPTHS = (18, 50, 101)
BASELINE, LPF4, DDAC3 = (
    'resnet{}_8xb32-90e_imagenet-224x224',
    'resnet{}-lpf4_8xb32-90e_imagenet-224x224',
    'resnet{}-ddac3_8xb16-90e_imagenet-224x224',
)
FINE_TUNING = 'resnet50-lpf4_8xb32-60e_imagenet-224x224'
TOYS = [f'resnet18{method}_1xb8-30_toyphotos-64x64' for method in ('', '-lpf4', '-lpf4-published', '-ddac3')]

ZHANG = {
    'batch': 256,
    'accumulated over': 1,
    'learning rate': 0.1,
    'optimizer': {'type': 'SGD', 'momentum': 0.9, 'weight_decay': 1e-4},
    'decay of norms and biases': True,
    'warm-up epochs': 0,
    'divided by 10 after epochs': [30, 60],
    'epochs': 90,
    'crop': 224,
    'augmentation': ['RandomResizedCrop', 'RandomFlip'],
    'interpolation': {('pillow', 'bilinear')},
    'mean': [123.675, 116.28, 103.53],
    'std': [58.395, 57.12, 57.375],
    'classes': 1000,
    'label smoothing': 0,
    'zero residual branches': False,
    'test': (256, 224, 32),
}
RECIPES = {
    **{BASELINE.format(depth): ZHANG | {'depth': depth} for depth in DEPTHS},
    **{LPF4.format(depth): ZHANG | {'depth': depth} for depth in DEPTHS},
    **{DDAC3.format(depth): ZHANG | {'depth': depth, 'accumulated over': 2, 'warm-up epochs': 15} for depth in DEPTHS},
    FINE_TUNING: ZHANG | {'depth': 50, 'learning rate': 0.01, 'divided by 10 after epochs': [30], 'epochs': 60},
}


@pytest.fixture(autouse=True)
def mmpretrain_scope():
    init_default_scope('mmpretrain')


def load(name):
    return Config.fromfile(FOLDER / f'{name}.py')


def build(config):
    """The network without values, which neither downloads nor takes memory."""
    return Network('mmpretrain', 'resnet', 'a', 'a', partial(MODELS.build, config)).build_on_meta()


def steps(pipeline):
    return {step.type: step for step in pipeline if step.type not in ('LoadImageFromFile', 'PackInputs')}


def facts(config):
    """The table's items as they stand in a config."""
    train, test = steps(config.train_dataloader.dataset.pipeline), steps(config.test_dataloader.dataset.pipeline)
    optimizer = dict(config.optim_wrapper.optimizer)
    *warm_up, decay = config.param_scheduler
    accumulated = config.optim_wrapper.get('accumulative_counts', 1)
    gpus = int(Path(config.filename).stem.split('_')[1][0])
    return {
        'depth': config.model.backbone.depth,
        'batch': gpus * config.train_dataloader.batch_size * accumulated,
        'accumulated over': accumulated,
        'learning rate': optimizer.pop('lr'),
        'optimizer': optimizer,
        'decay of norms and biases': 'paramwise_cfg' not in config.optim_wrapper,
        'warm-up epochs': sum(scheduler.end for scheduler in warm_up),
        'divided by 10 after epochs': decay.milestones if (decay.type, decay.gamma) == ('MultiStepLR', 0.1) else None,
        'epochs': config.train_cfg.max_epochs,
        'crop': train['RandomResizedCrop'].scale,
        'augmentation': list(train),
        'interpolation': {(s.backend, s.interpolation) for s in (train['RandomResizedCrop'], test['ResizeEdge'])},
        'mean': config.model.data_preprocessor.mean,
        'std': config.model.data_preprocessor.std,
        'classes': config.model.head.num_classes,
        'label smoothing': 0 if config.model.head.loss == {'type': 'CrossEntropyLoss'} else None,
        'zero residual branches': config.model.backbone.zero_init_residual,
        'test': (test['CenterCrop'].crop_size, config.test_cfg.crop_size, config.test_cfg.max_shift),
    }


@pytest.mark.parametrize('name', RECIPES)
def test_every_published_number(name):
    assert facts(load(name)) == RECIPES[name]


def test_warm_up_is_linear_and_counts_iterations():
    warm_up, decay = load(DDAC3.format(50)).param_scheduler
    assert (warm_up.type, warm_up.by_epoch, warm_up.convert_to_iter_based) == ('LinearLR', True, True)
    assert (warm_up.begin, warm_up.end, decay.by_epoch) == (0, 15, True)
    assert warm_up.start_factor < 1e-5


def test_fine_tuning_begins_with_a_baseline():
    tuned, scratch = load(FINE_TUNING), load(LPF4.format(50))
    assert (tuned.load_from, scratch.load_from) == ('data/weights/resnet50.pth', None)
    assert (tuned.model, tuned.train_dataloader) == (scratch.model, scratch.train_dataloader)


@pytest.mark.parametrize('depth', DEPTHS)
@pytest.mark.parametrize(('method', 'layer'), [(LPF4, BlurPool2d), (DDAC3, AdaptiveBlurPool2d)], ids=['lpf4', 'ddac3'])
def test_network_is_the_published_one(method, layer, depth):
    config = load(method.format(depth))
    arch = f'resnet{depth}_{config.filename.partition("-")[2].partition("_")[0]}'
    backbone = build(config.model).backbone
    published = build(published_backbone(arch, 'mmpretrain', published_arguments(arch, 'not read')))
    filters = [key.split('.')[0] for key, module in backbone.named_modules() if type(module) is layer]
    assert filters == ['maxpool', *(f'layer{stage}' for stage in (2, 2, 3, 3, 4, 4))]
    assert str(backbone) == str(published)
    assert backbone.maxpool.kernel_size == 2


@pytest.mark.parametrize('depth', DEPTHS)
def test_parameters_are_those_of_the_literature(depth):
    """He et al.'s networks in torchvision's documentation."""
    count = sum(parameter.numel() for parameter in build(load(BASELINE.format(depth)).model).parameters())
    assert count == {18: 11689512, 50: 25557032, 101: 44549160}[depth]


@pytest.mark.parametrize('method', [BASELINE, LPF4, DDAC3], ids=['baseline', 'lpf4', 'ddac3'])
def test_validation_sees_the_centre_of_what_the_test_sees(method):
    config = load(method.format(50))
    val, test = (steps(config[f'{part}_dataloader'].dataset.pipeline) for part in ('val', 'test'))
    assert val['ResizeEdge'] == test['ResizeEdge']
    assert val['CenterCrop'].crop_size == config.test_cfg.crop_size
    assert test['CenterCrop'].crop_size - val['CenterCrop'].crop_size == config.test_cfg.max_shift


def test_every_combination_has_a_short_config():
    names = {method.format(depth) for method, depth in product((BASELINE, LPF4, DDAC3), DEPTHS)}
    assert {path.stem for path in FOLDER.glob('*.py')} == names | {FINE_TUNING, *TOYS}
    assert max(len(path.read_text().splitlines()) for path in FOLDER.glob('*.py')) <= 20
