"""One toy config of each DeepLab through mmseg's own tools, shrunk: it learns, resumes, and is tested."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import mmseg
import pytest
import torch

from lab.toyscapes import make_dataset

TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'
CONFIGS = Path(__file__).parents[2] / 'configs' / 'toy'
DDAC = 'ddac/deeplabv3plus_r18-ddac3-d16_1xb2-30_toyscapes-96x192.py'
GNWS = 'deeplabv3_gnws/deeplabv3_r18-gnws-d16_1xb2-30_toyvoc-96x96.py'
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
        **{'model.backbone.type': 'Antialiased', 'model.backbone.base': 'ResNet', 'model.backbone.pool': 'lpf3'},
        'model.backbone.multi_grid': '(2,4,8)',
    },
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Options that lead each config to a few pictures."""
    folder = tmp_path_factory.mktemp('toys')
    for layout in ('cityscapes', 'voc'):
        make_dataset(folder / layout, (96, 64), train=4, val=2, layout=layout)
    lists = [f'train_dataloader.dataset.datasets.{index}' for index in (0, 1)]
    return {
        DDAC: {f'{split}_dataloader.dataset.data_root': folder / 'cityscapes' for split in ('train', 'val', 'test')},
        GNWS: {
            f'{dataset}.data_root': folder / 'voc'
            for dataset in (*lists, 'val_dataloader.dataset', 'test_dataloader.dataset')
        },
    }


@pytest.fixture
def run(monkeypatch, data):
    """Runs one of mmseg's tools in this process; returns what it logged, line by line."""

    def run(tool, config, *args, folder):
        names = dict.fromkeys(('experiment_name', 'visualizer.name'), f'{folder.parent.name}_{folder.name}')
        options = [f'{key}={value}' for key, value in {**SMALL, **OWN[config], **data[config], **names}.items()]
        arguments = [tool, CONFIGS / config, *args, '--work-dir', folder, '--cfg-options', *options]
        monkeypatch.setattr(sys, 'argv', list(map(str, arguments)))
        runpy.run_path(str(TOOLS / tool), run_name='__main__')
        return [json.loads(line) for path in folder.glob('*/*.json') for line in path.read_text().splitlines()]

    return run


def losses(folder):
    lines = [line for path in folder.glob('*/vis_data/scalars.json') for line in path.read_text().splitlines()]
    return [record['loss'] for record in map(json.loads, lines) if 'loss' in record]


@pytest.mark.parametrize('config', [DDAC, GNWS], ids=['ddac', 'deeplabv3_gnws'])
def test_it_learns_resumes_and_is_tested(config, run, tmp_path):
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    run('train.py', config, folder=whole)
    values = losses(whole)
    assert len(values) == 30
    assert sum(values[-5:]) < 0.9 * sum(values[:5])

    resumed.mkdir()
    shutil.copy(whole / 'iter_20.pth', resumed)
    (resumed / 'last_checkpoint').write_text(str(resumed / 'iter_20.pth'))
    run('train.py', config, '--resume', folder=resumed)
    assert losses(resumed) == values[20:]
    first, second = (torch.load(folder / 'iter_30.pth', weights_only=False) for folder in (whole, resumed))
    torch.testing.assert_close(second['state_dict'], first['state_dict'], rtol=0, atol=0)

    (metrics,) = run('test.py', config, whole / 'iter_30.pth', folder=tmp_path / 'test')
    assert all(0 <= metrics[name] <= 100 for name in ('mIoU', 'mASSC'))
