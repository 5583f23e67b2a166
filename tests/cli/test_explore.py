"""`antialias explore`, with networks that nobody trained."""

import json
import re
from pathlib import Path

import pytest
import torch

from lab.toyscapes import CLASSES, PALETTE
from tests.explorer.conftest import photograph as photograph

CONFIGS = Path(__file__).parents[2] / 'configs/deeplabv3plus'
SMALL = ['--no-pretrained', '--max-shift', '2', '--device', 'cpu']
CLASSIFIERS = ['resnet18', 'resnet18+lpf4', '--size', '48', *SMALL]


def data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_classifiers(antialias, photograph, tmp_path):
    page = tmp_path / 'new' / 'page.html'
    options = ['--images', photograph, '--names', 'plain', 'smooth', '--label', 7, '--out', page]
    out = antialias('explore', *CLASSIFIERS, *options).out
    shown = data(page)
    assert (shown['task'], shown['networks'], shown['max_shift']) == ('classification', ['plain', 'smooth'], 2)
    assert {one['watched'] for one in shown['images'][0]['sweeps']['diagonal']['networks']} == {'cock'}
    assert re.search(r'^face, diagonal: consistency plain \d+\.\d\d%, smooth \d+\.\d\d%$', out, re.MULTILINE)
    assert f'{page}: {page.stat().st_size / 1e6:.2f} MB' in out


def test_segmentors(antialias, photograph, tmp_path):
    apis = pytest.importorskip('mmseg.apis')
    models = []
    for method in ('', '-lpf3'):
        config = CONFIGS / f'deeplabv3plus_r18{method}-d16_1xb4-250_toyscapes-96x192.py'
        torch.manual_seed(0)
        segmentor = apis.init_model(str(config), device='cpu')
        checkpoint = tmp_path / f'r18{method}.pth'
        meta = {'dataset_meta': {'classes': CLASSES, 'palette': PALETTE}}
        torch.save({'state_dict': segmentor.state_dict(), 'meta': meta}, checkpoint)
        models.append(f'{config}@{checkpoint}')
    page = tmp_path / 'page.html'
    options = ['--max-shift', 1, '--size', 64, '--direction', 'vertical', '--device', 'cpu']
    assert antialias('explore', *models, '--images', photograph, *options, '--out', page).status == 0
    shown = data(page)
    assert (shown['task'], shown['images'][0]['view']) == ('segmentation', [42, 63])
    assert list(shown['images'][0]['sweeps']) == ['vertical']


def test_one_network(antialias, photograph, tmp_path):
    page = tmp_path / 'page.html'
    answer = antialias('explore', 'resnet18', '--size', 48, *SMALL, '--images', photograph, '--out', page)
    assert data(page)['networks'] == ['resnet18 (random weights)']
    assert 'consistency resnet18 (random weights)' in answer.out


@pytest.mark.parametrize(
    ('options', 'status', 'message'),
    [
        ('--images missing.png', 2, 'images must be a folder of images, or images, got missing.png'),
        ('--images broken.png', 2, 'images must be readable, got 1 of 1 that are not .*: broken.png: cannot identify'),
        ('--images face.png --label 1000', 1, 'label must be one of 1000 classes, got 1000'),
        ('--images face.png --out broken.png', 2, 'out must be a new file, got broken.png, which exists'),
        ('--images face.png --out broken.png/a', 2, 'out must be a file that can be written, got broken.png/a'),
        ('--images face.png --max-shift 0', 2, "argument --max-shift: must be an integer of at least 1, got '0'"),
        ('--images face.png --label 1 2', 2, 'label must be one class per picture, got 2 for 1'),
        ('', 2, 'the following arguments are required: --images'),
    ],
)
def test_one_message(options, status, message, antialias, photograph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'face.png').symlink_to(photograph)
    (tmp_path / 'broken.png').write_text('no picture')
    answer = antialias('explore', *CLASSIFIERS, *options.split())
    assert answer.status == status
    assert re.match(f'antialias explore: {message}', answer.line)
    assert len([*tmp_path.iterdir()]) == 2


def test_help(antialias):
    answer = antialias('explore', '--help')
    assert answer.status == 0
    assert 'example: antialias explore resnet18' in answer.out


def test_three_networks_are_too_many(antialias, photograph):
    answer = antialias('explore', 'resnet18', 'resnet34', 'resnet50', *SMALL, '--images', photograph)
    assert (answer.status, answer.err) == (2, 'antialias explore: networks must be one or two, got 3\n')
