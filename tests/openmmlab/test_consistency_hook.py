"""Consistency at every validation of a training."""

import importlib.util
import json

import pytest

from antialias_plugins.openmmlab.consistency import ShiftConsistencyHook
from tests.openmmlab.tiny import (
    IMAGES,
    MAX_SHIFT,
    build,
    classification_config,
    segmentation_config,
    write_imagenet,
    write_noise,
)

BACKENDS = {'local': 'LocalVisBackend', 'tensorboard': 'TensorboardVisBackend'}
EVERY = {'images': None, 'max_shift': MAX_SHIFT}


def with_training(config, hook, backend='local', **checkpoint):
    """Let a config of a test train for four iterations, with a validation after every second one."""
    loader = dict(config.test_dataloader)
    config.merge_from_dict(
        {
            'train_cfg': dict(type='IterBasedTrainLoop', max_iters=4, val_interval=2),
            'train_dataloader': loader | dict(batch_size=2, sampler=dict(type='InfiniteSampler', shuffle=True)),
            'optim_wrapper': dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05)),
            'val_cfg': dict(type='ValLoop'),
            'val_dataloader': loader,
            'val_evaluator': config.test_evaluator,
            'log_processor': dict(by_epoch=False),
            'default_hooks.logger': dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
            'default_hooks.checkpoint': dict(type='CheckpointHook', by_epoch=False, interval=2, **checkpoint),
            'custom_hooks': [dict(type='ShiftConsistencyHook', **hook)],
            'visualizer.vis_backends': [dict(type=BACKENDS[backend])],
        }
    )
    return config


@pytest.fixture
def segmentation(tmp_path):
    """Config of a training on noise."""
    return lambda hook, **options: with_training(
        segmentation_config(write_noise(tmp_path / 'data'), tmp_path), hook, **options
    )


@pytest.fixture
def classification(tmp_path):
    return lambda hook, **options: with_training(
        classification_config(write_imagenet(tmp_path / 'data'), tmp_path), hook, **options
    )


def logged(folder, name):
    """The values that the visualizer was given, by iteration."""
    (path,) = folder.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row['step']: row[name] for row in rows if name in row}


def drawn(folder, name):
    """The same, read from the file that TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (path,) = folder.glob('*/vis_data/events*')
    events = EventAccumulator(str(path)).Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def test_validation_measures_what_the_test_does(segmentation, tmp_path):
    build(segmentation(EVERY, save_best='mASSC', rule='greater')).train()
    curve = logged(tmp_path, 'mASSC')
    assert list(curve) == [2, 4]
    tested = build(segmentation_config(tmp_path / 'data', tmp_path / f'{tmp_path.name}-test'))
    for iteration, value in curve.items():
        tested.load_checkpoint(str(tmp_path / f'iter_{iteration}.pth'))
        assert tested.test()['mASSC'] == value
    best = max(curve, key=curve.get)
    assert (tmp_path / f'best_mASSC_iter_{best}.pth').exists()


@pytest.mark.skipif(importlib.util.find_spec('tensorboard') is None, reason='TensorBoard is not installed')
def test_tensorboard_shows_it(classification, tmp_path):
    build(classification(EVERY | dict(crop_size=32), backend='tensorboard')).train()
    for name in ('accuracy/top1', 'consistency', 'consistency_low', 'consistency_high'):
        assert list(drawn(tmp_path, name)) == [2, 4]


@pytest.mark.parametrize('images', [1, 3])
def test_first_images_only(segmentation, images):
    runner = build(segmentation(EVERY | dict(images=images)))
    passes = []
    runner.model.backbone.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    for _ in range(2):
        passes.clear()
        metrics = runner.val()
        assert ('mASSC_low' in metrics) == (images > 1)
        assert passes == [1, 2] * images + [1] * (IMAGES - images)


def test_leaves_the_evaluator_as_it_was(segmentation):
    runner = build(segmentation(EVERY))
    before = list(runner.val_evaluator.metrics)
    runner.val()
    assert runner.val_evaluator.metrics == before


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(images=0), 'images must be at least 1, got 0'),
        (dict(max_shift=1), 'max_shift must be at least 2, got 1'),
        (dict(views=1), 'views must be at least 2, got 1'),
        (dict(colour='red'), 'options must all be of one kind .* got colour'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_bad_option_is_found_before_the_training(options, message):
    with pytest.raises(ValueError, match=message):
        ShiftConsistencyHook(**options)
