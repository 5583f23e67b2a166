"""A toy config of pytorch-deeplab-xception's menu through the tools: focal loss, with weights of its classes."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch

from lab.toyscapes import make_dataset

ROOT = Path(__file__).parents[3]
TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'
CONFIG = ROOT / 'tests' / 'configs' / 'toy' / 'deeplab_xception' / 'deeplabv3plus_r18-focal-d16_1xb2-30_toyvoc-96x96.py'
WEIGHTS = Path('data/toyvoc-96x192/class_weights.npy')
SMALL = {
    'model.backbone.base_channels': 16,
    'model.backbone.stem_channels': 16,
    'model.decode_head.in_channels': 128,
    'model.decode_head.c1_in_channels': 16,
    'model.decode_head.channels': 32,
}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a tool in this process, in a folder that has the data set; returns the training's losses so far."""
    make_dataset(tmp_path / 'data' / 'toyvoc-96x192', (192, 96), train=4, val=2, layout='voc')
    monkeypatch.chdir(tmp_path)

    def run(tool, *args, folder=None):
        arguments = [tool, CONFIG, *args]
        if folder:
            names = dict.fromkeys(('experiment_name', 'visualizer.name'), f'{tmp_path.name}_{folder}')
            arguments += ['--work-dir', folder, '--cfg-options', *(f'{k}={v}' for k, v in {**SMALL, **names}.items())]
        monkeypatch.setattr(sys, 'argv', list(map(str, arguments)))
        runpy.run_path(str(tool), run_name='__main__')
        logs = Path(folder).glob('*/vis_data/scalars.json') if folder else ()
        lines = [line for path in logs for line in path.read_text().splitlines()]
        return [record['loss'] for record in map(json.loads, lines) if 'loss' in record]

    return run


def test_it_learns_resumes_and_is_tested(run):
    run(ROOT / 'tools' / 'class_weights.py', '--out', WEIGHTS)
    weights = np.load(WEIGHTS)
    assert weights.shape == (21,) and weights.min() > 0 and weights.max() > 2 * weights.min()

    losses = run(TOOLS / 'train.py', folder='whole')
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])

    Path('resumed').mkdir()
    shutil.copy('whole/iter_20.pth', 'resumed')
    Path('resumed/last_checkpoint').write_text('resumed/iter_20.pth')
    assert run(TOOLS / 'train.py', '--resume', folder='resumed') == losses[20:]
    first, second = (torch.load(f'{name}/iter_30.pth', weights_only=False) for name in ('whole', 'resumed'))
    torch.testing.assert_close(second['state_dict'], first['state_dict'], rtol=0, atol=0)

    run(TOOLS / 'test.py', 'whole/iter_30.pth', folder='test')
    (metrics,) = (json.loads(path.read_text()) for path in Path('test').glob('*/*.json'))
    assert all(0 <= metrics[name] <= 100 for name in ('mIoU', 'mASSC'))
