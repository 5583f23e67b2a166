"""The ImageNet recipes of "Making Convolutional Networks Shift-Invariant Again" and of DDAC, line by line."""

import pytest

from tests.configs.leaves import load, pipelines

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
FINE_TUNING = 'resnet50-lpf4_8xb32-60e_imagenet-224x224'
CLASSIFIERS = {
    **{
        f'resnet{depth}{method}_8xb32-90e_imagenet-224x224': ZHANG
        for depth in (18, 50, 101)
        for method in ('', '-lpf4')
    },
    **{
        f'resnet{depth}-ddac3_8xb16-90e_imagenet-224x224': ZHANG | {'accumulated over': 2, 'warm-up epochs': 15}
        for depth in (18, 50, 101)
    },
    FINE_TUNING: ZHANG | {'learning rate': 0.01, 'divided by 10 after epochs': [30], 'epochs': 60},
}


@pytest.mark.parametrize('name', CLASSIFIERS)
def test_every_published_number(name):
    config = load(f'resnet/{name}')
    train, val, test = (pipelines(config, part)[0] for part in ('train', 'val', 'test'))
    optimizer = dict(config.optim_wrapper.optimizer)
    *warm_up, decay = config.param_scheduler
    accumulated = config.optim_wrapper.get('accumulative_counts', 1)
    found = {
        'batch': int(name.split('_')[1][0]) * config.train_dataloader.batch_size * accumulated,
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
    assert found == CLASSIFIERS[name]
    # Validation sees the centre of what the test sees.
    assert val['ResizeEdge'] == test['ResizeEdge']
    assert val['CenterCrop'].crop_size == test['CenterCrop'].crop_size - config.test_cfg.max_shift == 224


def test_warm_up_is_linear_and_counts_iterations():
    warm_up, decay = load('resnet/resnet50-ddac3_8xb16-90e_imagenet-224x224').param_scheduler
    assert (warm_up.type, warm_up.by_epoch, warm_up.convert_to_iter_based) == ('LinearLR', True, True)
    assert (warm_up.begin, warm_up.end, decay.by_epoch) == (0, 15, True)
    assert warm_up.start_factor < 1e-5


def test_fine_tuning_begins_with_a_baseline():
    tuned, scratch = load(f'resnet/{FINE_TUNING}'), load('resnet/resnet50-lpf4_8xb32-90e_imagenet-224x224')
    assert (tuned.load_from, scratch.load_from) == ('data/weights/resnet50.pth', None)
    assert (tuned.model, tuned.train_dataloader) == (scratch.model, scratch.train_dataloader)
