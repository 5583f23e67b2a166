import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import DataLoader

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d
from antialias_plugins.openmmlab.training_hooks import FilterNormHook


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
    """Writes down which norms of the model train in each iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.training = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        norms = {key: m for key, m in runner.model.named_modules() if isinstance(m, nn.BatchNorm2d)}
        self.training.append([key for key, norm in norms.items() if norm.training])


def train(folder, hooks, pool=None):
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


def test_without_it_no_statistics_are_learned(tmp_path):
    model, training = train(tmp_path, [])
    assert training == [[]] * 4
    assert statistics(model.backbone[2].bn) == ([0] * 72, [1] * 72)


def test_norms_of_the_filters_learn_and_the_others_do_not(tmp_path):
    model, training = train(tmp_path, [dict(type='FilterNormHook')])
    assert training == [['backbone.2.bn']] * 4
    assert statistics(model.backbone[1]) == ([0] * 8, [1] * 8)
    mean, variance = statistics(model.backbone[2].bn)
    assert 0 not in mean
    assert 1 not in variance


def test_a_model_without_adaptive_filters_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='FilterNormHook: model must have an AdaptiveBlurPool2d, got none'):
        train(tmp_path, [FilterNormHook()], BlurPool2d(8))
