"""Our ImageNet configs in small, by mmpretrain's own tools."""

import re
from pathlib import Path

import mmpretrain
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from antialias_plugins.checkpoints.load import export_checkpoint
from antialias_plugins.openmmlab.child_config import write_child_config
from antialias_plugins.openmmlab.published_backbones import published_backbone
from tests.checkpoints.networks import published, save
from tests.openmmlab.photographs import write_photographs

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'tests' / 'configs' / 'toy' / 'resnet'
TOY = 'resnet18{}_1xb8-30_toyphotos-64x64.py'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A network of Zhang's, and the file that `antialias weights convert` writes of it."""
    folder, network = tmp_path_factory.mktemp('weights'), published('resnet18')
    save(network, folder / 'published.pth')
    backbone = MODELS.build(published_backbone('resnet18_lpf4', 'mmpretrain'))
    export_checkpoint(backbone, folder / 'published.pth', folder / 'ours.pth', meta={})
    return network, folder / 'ours.pth'


@pytest.fixture(scope='module')
def options(tmp_path_factory):
    root = write_photographs(tmp_path_factory.mktemp('photographs'), train=4, val=2)
    return {f'{loader}_dataloader.dataset.data_root': root for loader in ('train', 'val', 'test')}


def test_published_weights_are_trained_and_tested(weights, run_tool, read_losses, options, tmp_path):
    config, whole = CONFIGS / TOY.format('-lpf4-published'), tmp_path / 'whole'
    short = {'model.backbone.init_cfg.checkpoint': weights[1], 'train_cfg.max_iters': 3}
    trained = run_tool(mmpretrain, 'train.py', config, folder=whole, options=options | short)
    tested = run_tool(mmpretrain, 'test.py', config, whole / 'iter_3.pth', folder=tmp_path / 'test', options=options)

    losses = read_losses(whole)
    assert len(losses) == 3
    assert all(loss < 10 for loss in losses)
    assert 'accuracy/top1' in trained
    metrics = {key: float(value) for key, value in re.findall(r'(accuracy/top1|\bconsistency): ([\d.]+)', tested)}
    assert metrics.keys() == {'accuracy/top1', 'consistency'}
    assert all(0 <= value <= 100 for value in metrics.values())


def test_training_begins_with_the_published_weights(weights):
    network, file = weights
    init_default_scope('mmpretrain')
    config = Config.fromfile(CONFIGS / TOY.format('-lpf4-published'))
    config.model.backbone.init_cfg.checkpoint = str(file)
    backbone = MODELS.build(config.model.backbone)
    backbone.init_weights()
    backbone.double().eval()  # not chained further: it returns None

    *features, _, _ = network.children()  # all but pool and classifier
    images = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    expected = nn.Sequential(*features)(images)
    torch.testing.assert_close(backbone(images)[-1], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('method', ['lpf4', 'ddac3'])
def test_child_config_of_the_baseline_is_the_antialiased_one(method, tmp_path):
    child = write_child_config(CONFIGS / TOY.format(''), tmp_path / 'child.py', method)

    assert Config.fromfile(child).to_dict() == Config.fromfile(CONFIGS / TOY.format(f'-{method}')).to_dict()
