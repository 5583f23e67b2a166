"""`tools/shift_explorer.py`, with networks that nobody trained."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

from lab.toyscapes import CLASSES, PALETTE
from tests.explorer.conftest import photograph as photograph

ROOT = Path(__file__).parents[1]
TOOL = ROOT / 'tools/shift_explorer.py'
CONFIGS = ROOT / 'configs/deeplabv3plus'
CLASSIFIERS = ['--model', 'resnet18', '--model', 'resnet18_lpf4', '--size', '48', '--max-shift', '2', '--device', 'cpu']


@pytest.fixture
def run(monkeypatch):
    """Runs the tool in this process."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


def data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_classifiers(run, photograph, tmp_path, capsys):
    page = tmp_path / 'new' / 'page.html'
    run(*CLASSIFIERS, '--image', photograph, '--names', 'plain', 'smooth', '--label', 7, '--out', page)
    shown = data(page)
    assert (shown['task'], shown['networks'], shown['max_shift']) == ('classification', ['plain', 'smooth'], 2)
    assert {one['watched'] for one in shown['images'][0]['sweeps']['diagonal']['networks']} == {'cock'}
    out = capsys.readouterr().out
    assert re.search(r'^face, diagonal: consistency plain \d+\.\d\d%, smooth \d+\.\d\d%$', out, re.MULTILINE)
    assert f'{page}: {page.stat().st_size / 1e6:.2f} MB' in out


def test_segmentors(run, photograph, tmp_path):
    apis = pytest.importorskip('mmseg.apis')
    models = []
    for method in ('', '-lpf3'):
        config = CONFIGS / f'deeplabv3plus_r18{method}-d16_1xb4-250_toyscapes-96x192.py'
        torch.manual_seed(0)
        segmentor = apis.init_model(str(config), device='cpu')
        checkpoint = tmp_path / f'r18{method}.pth'
        meta = {'dataset_meta': {'classes': CLASSES, 'palette': PALETTE}}
        torch.save({'state_dict': segmentor.state_dict(), 'meta': meta}, checkpoint)
        models += ['--model', config, checkpoint]
    page = tmp_path / 'page.html'
    options = ['--max-shift', 1, '--size', 64, '--direction', 'vertical', '--device', 'cpu']
    run(*models, '--image', photograph, *options, '--out', page)
    shown = data(page)
    assert (shown['task'], shown['images'][0]['view']) == ('segmentation', [42, 63])
    assert list(shown['images'][0]['sweeps']) == ['vertical']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--image', 'missing.png'], 'image must be a readable picture, got missing.png'),
        (['--label', '1000'], 'label must be one of 1000 classes, got 1000'),
    ],
    ids=['image', 'label'],
)
def test_one_message_without_traceback(options, message, run, photograph, tmp_path):
    with pytest.raises(SystemExit, match=f'^shift_explorer.py: .*{message}'):
        run(*CLASSIFIERS, '--image', photograph, '--out', tmp_path / 'page.html', *options)
    assert list(tmp_path.iterdir()) == []


def test_help(run, capsys):
    with pytest.raises(SystemExit, match='0'):
        run('--help')
    assert 'example: shift_explorer.py --model resnet18' in capsys.readouterr().out


def test_one_network_is_not_enough(run, photograph, tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        run('--model', 'resnet18', '--image', photograph, '--out', tmp_path / 'page.html')
    assert '--model NAME [CHECKPOINT] must be given twice' in capsys.readouterr().err
