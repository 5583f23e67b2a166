"""A toy config of each reference system through mmseg's own tools, shrunk: it learns, resumes, and is tested."""

import json
import math
import re
import runpy
import shutil
import sys
from pathlib import Path
from statistics import fmean

import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope

from lab.toyscapes import make_dataset

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / 'tests' / 'configs' / 'toy'
DDAC = CONFIGS / 'ddac/deeplabv3plus_r18-ddac3-d16_1xb2-30_toyscapes-96x192.py'
GNWS = CONFIGS / 'deeplabv3_gnws/deeplabv3_r18-gnws-d16_1xb2-30_toyvoc-96x96.py'
FOCAL = CONFIGS / 'deeplab_xception/deeplabv3plus_r18-focal-d16_1xb2-30_toyvoc-96x96.py'
DSRL = CONFIGS / 'dsrl/dsrl-dootmaan_r18-d16_1xb2-30_toyscapes-96x192.py'
LAUNCHER = (sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2')

SHORT = {'train_cfg.max_iters': 12, 'train_cfg.val_interval': 12, 'default_hooks.checkpoint.interval': 8}
LPF3 = {'model.backbone.type': 'Antialiased', 'model.backbone.base': 'ResNet', 'model.backbone.pool': 'lpf3'}
SMALL = {
    'model.backbone.base_channels': 16,
    'model.backbone.stem_channels': 16,
    'model.decode_head.in_channels': 128,
    'model.decode_head.channels': 32,
}
OWN = {
    DDAC: {'model.decode_head.c1_in_channels': 16},
    GNWS: {
        **{f'model.{part}.norm_cfg.num_groups': 8 for part in ('backbone', 'decode_head')},
        **{**LPF3, 'model.backbone.multi_grid': '(2,4,8)'},
    },
    FOCAL: {'model.decode_head.c1_in_channels': 16},
}
CHANGES = {
    **{'model.backbone.base_channels': 8, 'model.backbone.stem_channels': 8},
    **{'model.decode_head.in_channels': 64, 'model.decode_head.c1_in_channels': 8},
    **{'model.decode_head.channels': 16, 'model.sisr_head.in_channels': 16},
    'model.sisr_head.low_level_channels': 8,
    **{**LPF3, 'model.backbone.convert.dilated': 'blur', 'model.backbone.convert.maxpool': 'published'},
}
IMAGES = 5  # an odd number: one of two processes repeats an image


@pytest.fixture(scope='module')
def toys(tmp_path_factory):
    """A folder with a few pictures where the configs look for them, and the weights of their classes."""
    folder = tmp_path_factory.mktemp('toys')
    for layout, name in (('cityscapes', 'toyscapes'), ('voc', 'toyvoc-96x192')):
        make_dataset(folder / 'data' / name, (96, 64), train=4, val=2, layout=layout)
    tool, weights = ROOT / 'tools' / 'class_weights.py', 'data/toyvoc-96x192/class_weights.npy'
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, 'argv', list(map(str, [tool, FOCAL, '--out', weights])))
        runpy.run_path(str(tool), run_name='__main__')
    return folder


def test_weights_of_the_classes_differ(toys):
    weights = np.load(toys / 'data' / 'toyvoc-96x192' / 'class_weights.npy')
    assert weights.shape == (21,) and weights.min() > 0 and weights.max() > 2 * weights.min()


@pytest.mark.parametrize('config', OWN, ids=['ddac', 'deeplabv3_gnws', 'focal'])
def test_it_learns_resumes_and_is_tested(config, run_tool, read_losses, toys, monkeypatch, tmp_path):
    monkeypatch.chdir(toys)
    options = SHORT | SMALL | OWN[config]
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    run_tool(mmseg, 'train.py', config, folder=whole, options=options)
    values = read_losses(whole)
    assert len(values) == 12
    assert fmean(values[-4:]) < 0.9 * fmean(values[:4])

    resumed.mkdir()
    shutil.copy(whole / 'iter_8.pth', resumed)
    (resumed / 'last_checkpoint').write_text(str(resumed / 'iter_8.pth'))
    run_tool(mmseg, 'train.py', config, '--resume', folder=resumed, options=options)
    assert read_losses(resumed) == values[8:]
    first, second = (torch.load(folder / 'iter_12.pth', weights_only=False) for folder in (whole, resumed))
    torch.testing.assert_close(second['state_dict'], first['state_dict'], rtol=0, atol=0)

    run_tool(mmseg, 'test.py', config, whole / 'iter_12.pth', folder=tmp_path / 'test', options=options)
    (metrics,) = (json.loads(path.read_text()) for path in (tmp_path / 'test').glob('*/*.json'))
    assert all(0 <= metrics[name] <= 100 for name in ('mIoU', 'mASSC'))


@torch.no_grad()
def psnr_of_every_image(config, checkpoint):
    """By the formula, on the pixels of the files."""
    init_default_scope('mmseg')
    model = MODELS.build(config.model).eval()
    model.load_state_dict(torch.load(checkpoint, map_location='cpu', weights_only=False)['state_dict'])
    ratios = []
    for data in DATASETS.build(config.val_dataloader.dataset):
        (sample,) = model.test_step({name: [value] for name, value in data.items()})
        error = sample.pred_image.data.double() - data['inputs'].flip(0).double()
        ratios.append(10 * math.log10(255**2 / error.square().mean()))
    return ratios


def test_dual_super_resolution_on_two_processes(run_mmseg_tool, scenes, tmp_path):
    data = {f'{loader}_dataloader.dataset.data_root': scenes for loader in ('train', 'val', 'test')}
    data['val_dataloader.dataset.indices'] = IMAGES
    options = {
        **(data | CHANGES),
        'train_dataloader.dataset.pipeline.2.crop_size': '(64,128)',
        'model.data_preprocessor.size': '(64,128)',
        'env_cfg.dist_cfg.backend': 'gloo',
        **(SHORT | {'default_hooks.checkpoint.interval': 12}),
    }

    output = run_mmseg_tool(
        'train.py', DSRL, '--work-dir', tmp_path, '--launcher', 'pytorch', launcher=LAUNCHER, options=options
    )

    assert 'GPU number: 2' in output
    for name in ('loss', 'decode.loss_ce', 'affinity.loss_fa'):
        losses = [float(value) for value in re.findall(rf'Iter\(train\).* {re.escape(name)}: (\S+)', output)]
        assert len(losses) == 12
        assert fmean(losses[-4:]) < fmean(losses[:4]), name
    config = Config.fromfile(DSRL)
    config.merge_from_dict({key: value for key, value in data.items() if key.startswith('val_dataloader')} | CHANGES)
    expected = psnr_of_every_image(config, tmp_path / 'iter_12.pth')
    assert len(expected) == IMAGES
    validated = json.loads(max(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()[-1])
    assert validated['PSNR'] == pytest.approx(fmean(expected), abs=1e-3)
