import json

import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from antialias_plugins.layers import LearnablePolyphasePool2d
from antialias_plugins.openmmlab.training_hooks import GumbelTemperatureHook

BATCHES = 2


class Network(BaseModel):
    """Something to train, with or without a layer that has a temperature."""

    def __init__(self, pool):
        super().__init__()
        self.pool = pool

    def forward(self, inputs, mode='loss'):
        return {'loss': self.pool(inputs).square().mean()}


class Recorder(Hook):
    """Writes down the temperature of every iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.temperatures = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.temperatures.append(runner.model.pool.temperature)


def train(work_dir, loop, by_epoch, pool=None, resume=False, **schedule):
    """Train for a moment; return the temperatures."""
    recorder, data = Recorder(), [{'inputs': torch.rand(2, 6, 6)} for _ in range(BATCHES)]
    pool = pool or LearnablePolyphasePool2d(2)
    Runner(
        Network(pool),
        str(work_dir),
        train_dataloader=DataLoader(data, sampler=InfiniteSampler(data) if 'max_iters' in loop else None),
        train_cfg=loop,
        optim_wrapper=dict(optimizer=torch.optim.SGD(pool.parameters(), 0.1)),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='CheckpointHook', interval=1, by_epoch='max_epochs' in loop),
        ),
        custom_hooks=[GumbelTemperatureHook(by_epoch=by_epoch, **schedule), recorder],
        resume=resume,
        experiment_name=f'{work_dir.name}-{len(list(work_dir.glob("*")))}',
    ).train()
    return recorder.temperatures


@pytest.mark.parametrize(
    ('loop', 'by_epoch', 'expected'),
    [
        ({'by_epoch': True, 'max_epochs': 4}, True, [1.0, 1.0, 0.75, 0.75, 0.5, 0.5, 0.5, 0.5]),
        ({'by_epoch': True, 'max_epochs': 2}, False, [1.0, 0.75, 0.5, 0.5]),
        ({'by_epoch': False, 'max_iters': 4}, False, [1.0, 0.75, 0.5, 0.5]),
    ],
    ids=['epochs', 'iterations-of-epochs', 'iterations'],
)
def test_follows_its_schedule_and_logs_it(tmp_path, loop, by_epoch, expected):
    assert train(tmp_path, loop, by_epoch, milestones=[0, 2], temperatures=[1.0, 0.5]) == expected
    lines = next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()
    assert [json.loads(line)['temperature'] for line in lines] == expected


@pytest.mark.parametrize(
    ('key', 'by_epoch', 'expected'),
    [('max_epochs', True, [0.75, 0.75, 0.5, 0.5]), ('max_iters', False, [0.75, 0.5])],
    ids=['epochs', 'iterations'],
)
def test_goes_on_where_a_training_was_interrupted(tmp_path, key, by_epoch, expected):
    schedule = dict(milestones=[0, 2], temperatures=[1.0, 0.5])
    train(tmp_path, {'by_epoch': by_epoch, key: 1}, by_epoch, **schedule)
    assert train(tmp_path, {'by_epoch': by_epoch, key: 3}, by_epoch, resume=True, **schedule) == expected


def test_model_without_a_temperature_is_refused(tmp_path):
    with pytest.raises(ValueError, match='model must have a LearnablePolyphasePool2d, got none'):
        train(tmp_path, {'by_epoch': True, 'max_epochs': 1}, True, nn.Conv2d(2, 2, 1), milestones=[0], temperatures=[1])


def test_epochs_that_nobody_counts_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'by_epoch must be False .*, got True with IterBasedTrainLoop'):
        train(tmp_path, {'by_epoch': False, 'max_iters': 1}, True, milestones=[0], temperatures=[1])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'milestones': []}, r'milestones must be increasing numbers, at least one, got \[\]'),
        ({'temperatures': [1.0]}, r'temperatures must be as many as the 2 milestones, got \[1.0\]'),
        ({'shape': 'cosine'}, "shape must be one of 'linear', 'exponential', 'steps', got 'cosine'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        GumbelTemperatureHook(**{'milestones': [0, 4], 'temperatures': [1.0, 0.5], **arguments})
