"""Dual super-resolution through mmseg's own tools, on two processes."""

import json
import math
import re
import socket
import sys
from pathlib import Path
from statistics import fmean

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope

FOLDER = Path(__file__).parents[2] / 'configs' / 'toy' / 'dsrl'
CONFIG = FOLDER / 'dsrl-dootmaan_r18-d16_1xb2-30_toyscapes-96x192.py'
LAUNCHER = (sys.executable, Path(__file__).parents[1] / 'ranks.py', 'mmseg')
IMAGES = 5  # an odd number: one process repeats an image

CHANGES = {
    **{'model.backbone.base_channels': 8, 'model.backbone.stem_channels': 8},
    **{'model.decode_head.in_channels': 64, 'model.decode_head.c1_in_channels': 8},
    **{'model.decode_head.channels': 16, 'model.sisr_head.in_channels': 16},
    'model.sisr_head.low_level_channels': 8,
    **{'model.backbone.type': 'Antialiased', 'model.backbone.base': 'ResNet', 'model.backbone.pool': 'lpf3'},
    **{'model.backbone.convert.dilated': 'blur', 'model.backbone.convert.maxpool': 'published'},
}


@pytest.fixture(scope='module')
def options(scenes):
    return {
        **{f'{loader}_dataloader.dataset.data_root': scenes for loader in ('train', 'val', 'test')},
        'train_dataloader.dataset.pipeline.2.crop_size': '(64,128)',
        'model.data_preprocessor.size': '(64,128)',
        'val_dataloader.dataset.indices': IMAGES,
        'env_cfg.dist_cfg.backend': 'gloo',
        'default_hooks.checkpoint.interval': 30,
        **CHANGES,
    }


@torch.no_grad()
def psnr_of_every_image(config, checkpoint):
    """By the formula, on the pixels of the files."""
    init_default_scope('mmseg')
    model = MODELS.build(config.model).eval()
    model.load_state_dict(torch.load(checkpoint, map_location='cpu', weights_only=False)['state_dict'])
    dataset = DATASETS.build(config.val_dataloader.dataset)
    ratios = []
    for data in dataset:
        (sample,) = model.test_step({name: [value] for name, value in data.items()})
        error = sample.pred_image.data.double() - data['inputs'].flip(0).double()
        ratios.append(10 * math.log10(255**2 / error.square().mean()))
    return ratios


@pytest.fixture
def rendezvous(monkeypatch):
    """What `ranks.py` needs to know."""
    with socket.socket() as listener:
        listener.bind(('localhost', 0))
        port = listener.getsockname()[1]
    # mmengine selects the GPU of number LOCAL_RANK, none for a negative one.
    for name, value in dict(MASTER_ADDR='localhost', MASTER_PORT=port, WORLD_SIZE=2, LOCAL_RANK=-1).items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.usefixtures('rendezvous')
def test_training_on_two_processes(run_mmseg_tool, options, tmp_path):
    output = run_mmseg_tool(
        'train.py', CONFIG, '--work-dir', tmp_path, '--launcher', 'pytorch', launcher=LAUNCHER, options=options
    )

    assert 'GPU number: 2' in output
    for name in ('loss', 'decode.loss_ce', 'affinity.loss_fa'):
        losses = [float(value) for value in re.findall(rf'Iter\(train\).* {re.escape(name)}: (\S+)', output)]
        assert len(losses) == 30
        assert fmean(losses[-5:]) < fmean(losses[:5]), name
    config = Config.fromfile(CONFIG)
    config.merge_from_dict({key: value for key, value in options.items() if key.startswith('val_dataloader')} | CHANGES)
    expected = psnr_of_every_image(config, tmp_path / 'iter_30.pth')
    assert len(expected) == IMAGES
    validated = json.loads(max(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()[-1])
    assert validated['PSNR'] == pytest.approx(fmean(expected), abs=1e-3)
