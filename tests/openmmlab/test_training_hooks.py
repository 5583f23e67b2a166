import json

import pytest
import torch
import torch.distributed
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import DataLoader

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d
from antialias_plugins.layers import LearnablePolyphasePool2d
from antialias_plugins.openmmlab.training_hooks import FilterNormHook, GumbelTemperatureHook, MeanLossHook


class Detector(BaseModel):
    """A backbone that keeps its norms in eval mode, as mmdet's with ``norm_eval``."""

    def __init__(self, pool):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), pool)

    def train(self, mode=True):
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, inputs, mode='loss'):
        maps = self.backbone(inputs)
        return {'loss': maps.square().mean()} if mode == 'loss' else [BaseDataElement() for _ in maps]


class Modes(Hook):
    """Writes down which norms of the model train_detector in each iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.training = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        norms = {key: m for key, m in runner.model.named_modules() if isinstance(m, nn.BatchNorm2d)}
        self.training.append([key for key, norm in norms.items() if norm.training])


def train_detector(folder, hooks, pool=None):
    """Train two epochs of two iterations with a validation in between; return the model and the modes."""
    torch.manual_seed(0)
    model, modes = Detector(pool or AdaptiveBlurPool2d(8)), Modes()
    data = [{'inputs': torch.rand(3, 16, 16)} for _ in range(4)]
    Runner(
        model,
        str(folder),
        train_dataloader=DataLoader(data, batch_size=2),
        val_dataloader=DataLoader(data, batch_size=2),
        val_evaluator=[],
        train_cfg=dict(by_epoch=True, max_epochs=2),
        val_cfg=dict(),
        optim_wrapper=dict(optimizer=torch.optim.SGD(model.parameters(), 0.1)),
        custom_hooks=[*hooks, modes],
        experiment_name=folder.name,
    ).train()
    return model, modes.training


def statistics(norm):
    return norm.running_mean.tolist(), norm.running_var.tolist()


def test_without_the_hook_no_statistics_of_filters_are_learned(tmp_path):
    model, training = train_detector(tmp_path, [])
    assert training == [[]] * 4
    assert statistics(model.backbone[2].bn) == ([0] * 72, [1] * 72)


def test_norms_of_the_filters_learn_and_the_others_do_not(tmp_path):
    model, training = train_detector(tmp_path, [dict(type='FilterNormHook')])
    assert training == [['backbone.2.bn']] * 4
    assert statistics(model.backbone[1]) == ([0] * 8, [1] * 8)
    mean, variance = statistics(model.backbone[2].bn)
    assert 0 not in mean
    assert 1 not in variance


def test_a_model_without_adaptive_filters_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='FilterNormHook: model must have an AdaptiveBlurPool2d, got none'):
        train_detector(tmp_path, [FilterNormHook()], BlurPool2d(8))


BATCHES = 2


class Network(BaseModel):
    """Something to train_network, with or without a layer that has a temperature."""

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


def train_network(work_dir, loop, by_epoch, pool=None, resume=False, **schedule):
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
def test_temperature_follows_its_schedule_and_is_logged(tmp_path, loop, by_epoch, expected):
    assert train_network(tmp_path, loop, by_epoch, milestones=[0, 2], temperatures=[1.0, 0.5]) == expected
    lines = next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()
    assert [json.loads(line)['temperature'] for line in lines] == expected


@pytest.mark.parametrize(
    ('key', 'by_epoch', 'expected'),
    [('max_epochs', True, [0.75, 0.75, 0.5, 0.5]), ('max_iters', False, [0.75, 0.5])],
    ids=['epochs', 'iterations'],
)
def test_temperature_goes_on_where_a_training_was_interrupted(tmp_path, key, by_epoch, expected):
    schedule = dict(milestones=[0, 2], temperatures=[1.0, 0.5])
    train_network(tmp_path, {'by_epoch': by_epoch, key: 1}, by_epoch, **schedule)
    assert train_network(tmp_path, {'by_epoch': by_epoch, key: 3}, by_epoch, resume=True, **schedule) == expected


def test_model_without_a_temperature_is_refused(tmp_path):
    with pytest.raises(ValueError, match='model must have a LearnablePolyphasePool2d, got none'):
        train_network(
            tmp_path, {'by_epoch': True, 'max_epochs': 1}, True, nn.Conv2d(2, 2, 1), milestones=[0], temperatures=[1]
        )


def test_epochs_that_nobody_counts_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'by_epoch must be False .*, got True with IterBasedTrainLoop'):
        train_network(tmp_path, {'by_epoch': False, 'max_iters': 1}, True, milestones=[0], temperatures=[1])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'milestones': []}, r'milestones must be increasing numbers, at least one, got \[\]'),
        ({'temperatures': [1.0]}, r'temperatures must be as many as the 2 milestones, got \[1.0\]'),
        ({'shape': 'cosine'}, "shape must be one of 'linear', 'exponential', 'steps', got 'cosine'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_mistakes_in_a_schedule_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        GumbelTemperatureHook(**{'milestones': [0, 4], 'temperatures': [1.0, 0.5], **arguments})


def test_one_process_has_the_mean_already():
    outputs = {'loss': torch.tensor(2.0)}
    MeanLossHook().after_train_iter(None, 0, outputs=outputs)
    assert outputs == {'loss': torch.tensor(2.0)}


def test_graphs_of_the_losses_are_let_go(tmp_path):
    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    outputs = {'loss': torch.tensor(2.0, requires_grad=True)}
    try:
        MeanLossHook().after_train_iter(None, 0, outputs=outputs)
    finally:
        torch.distributed.destroy_process_group()
    assert outputs['loss'] == 2 and not outputs['loss'].requires_grad
