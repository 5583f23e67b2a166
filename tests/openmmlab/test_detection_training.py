"""mmdet's own tools, byte for byte as installed, on a config of ours."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, RUNNERS

from lab.toyshapes import make_dataset

mmdet = pytest.importorskip('mmdet')

CONFIGS = Path(__file__).parents[1] / 'configs' / 'toy'
CONFIG = CONFIGS / 'mask_rcnn' / 'mask-rcnn_r18-ddac3_fpn_1xb2-30_toyshapes-96x128.py'
RETINANET = CONFIGS / 'retinanet' / 'retinanet_r18-lpf3_fpn_1xb2-30_toyshapes-96x128.py'


@pytest.fixture(scope='module')
def options(tmp_path_factory):
    """Options that shrink the config to four iterations, with a checkpoint after the second."""
    root = tmp_path_factory.mktemp('toyshapes') / 'data'
    make_dataset(root, (128, 96), train=4, val=2)
    annotations = str(root / 'annotations' / 'instances_val2017.json')
    return {
        **{f'{loader}_dataloader.dataset.data_root': str(root) for loader in ('train', 'val', 'test')},
        **{f'{split}_evaluator.ann_file': annotations for split in ('val', 'test')},
        'model.backbone.base_channels': 32,
        'model.neck.in_channels': [32, 64, 128, 256],
        'train_cfg.max_iters': 4,
        'train_cfg.val_interval': 4,
        'default_hooks.checkpoint.interval': 2,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
    }


def build_runner(path, folder, options, **changes):
    """What the tools run, for this process."""
    config = Config.fromfile(path)
    config.merge_from_dict(options)
    name = f'{folder.parent.name}_{folder.name}'
    config.update(work_dir=str(folder), experiment_name=name, **changes)
    config.visualizer.name = name  # mmengine keeps each for the life of the process
    return RUNNERS.build(config)


@pytest.fixture(scope='module')
def trained(run_tool, read_losses, options, tmp_path_factory):
    """The folder of a training that nobody interrupted."""
    folder = tmp_path_factory.mktemp('trained')
    run_tool(mmdet, 'train.py', CONFIG, folder=folder, options=options)
    losses = read_losses(folder)
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    return folder


def test_a_resumed_training_ends_with_the_same_weights(trained, options, tmp_path):
    how = dict(load_from=str(trained / 'iter_2.pth'), resume=True)
    build_runner(CONFIG, tmp_path, options, val_cfg=None, val_dataloader=None, val_evaluator=None, **how).train()

    expected, resumed = (
        torch.load(folder / 'iter_4.pth', map_location='cpu', weights_only=False)['state_dict']
        for folder in (trained, tmp_path)
    )
    assert not (tmp_path / 'iter_2.pth').exists()
    torch.testing.assert_close(resumed, expected, rtol=0, atol=0)


def test_test_reports_accuracy_and_consistency(trained, run_tool, options, tmp_path):
    options = {**options, 'test_cfg.score_threshold': 0.01}

    run_tool(mmdet, 'test.py', CONFIG, trained / 'iter_4.pth', folder=tmp_path, options=options)

    found = json.loads(next(tmp_path.glob('*/*.json')).read_text())
    assert {'coco/bbox_mAP', 'coco/segm_mAP', 'mAISC', 'mAISC_box'} <= found.keys()
    assert all(0 <= found[name] <= 100 for name in ('mAISC', 'mAISC_box'))


def test_a_one_stage_detector_is_trained_and_tested(read_losses, options, tmp_path):
    runner = build_runner(RETINANET, tmp_path / 'retinanet', options)
    network = runner.train()
    losses = read_losses(tmp_path / 'retinanet')
    found = runner.test()

    assert len(losses) == 4
    assert sum(losses[2:]) < sum(losses[:2])  # the same four pictures again
    assert {'coco/bbox_mAP', 'mAISC_box'} <= found.keys()
    assert 'mAISC' not in found  # it has no masks
    plain = Config.fromfile(RETINANET.with_name(RETINANET.name.replace('-lpf3', ''))).model
    plain.backbone.base_channels, plain.neck.in_channels = 32, [32, 64, 128, 256]
    assert network.state_dict().keys() == MODELS.build(plain).state_dict().keys()
