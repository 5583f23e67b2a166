"""`tools/compare.py`, with networks that nobody trained."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import timm
import torch

from tests.evaluation.conftest import photographs as photographs
from tests.openmmlab.tiny import (
    build,
    classification_config,
    pipeline,
    segmentation_config,
    write_imagenet,
    write_noise,
)

TOOL = Path(__file__).parents[1] / 'tools/compare.py'
SMALL = ['--img-size', '32', '--max-shift', '8', '--workers', '0', '--unlabelled']


@pytest.fixture
def run(monkeypatch):
    """Runs the tool in this process."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


@pytest.fixture
def weights(tmp_path):
    """Two sets of weights of one network."""
    paths = [tmp_path / f'{name}.pth' for name in 'ab']
    for path in paths:
        torch.save(timm.create_model('resnet10t').state_dict(), path)
    return paths


def write(config, folder):
    torch.save(build(config.copy()).model.state_dict(), folder / 'weights.pth')
    config.dump(folder / 'config.py')
    return f'{folder / "config.py"}:{folder / "weights.pth"}'


@pytest.fixture
def segmentor(tmp_path):
    return write(segmentation_config(write_noise(tmp_path / 'data'), tmp_path), tmp_path)


@pytest.fixture
def classifier(tmp_path):
    config = classification_config(write_imagenet(tmp_path / 'data'), tmp_path)
    config.test_dataloader.dataset.pipeline, config.test_cfg = pipeline(32), {}
    return write(config, tmp_path)


def test_second_time_nothing_is_measured(run, photographs, weights, tmp_path, capsys, monkeypatch):
    models = [f'resnet10t={path}' for path in weights]
    files = ['--json', tmp_path / 'a.json', '--csv', tmp_path / 'a.csv', '--markdown', tmp_path / 'a.md']
    run(*models[:1], '--data-dir', photographs, *SMALL, *files)
    run(*models, '--data-dir', photographs, *SMALL, *files)
    capsys.readouterr()
    monkeypatch.setattr('antialias_plugins.evaluation.models.evaluate', None)
    run(*models, '--data-dir', photographs, *SMALL, *files)
    out = capsys.readouterr().out
    assert [line.split('|')[1].strip() for line in out.splitlines()[2:4]] == ['resnet10t (a)', 'resnet10t (b)']
    assert out.startswith((tmp_path / 'a.md').read_text())
    assert len((tmp_path / 'a.csv').read_text().splitlines()) == 3
    records = json.loads((tmp_path / 'a.json').read_text())['models']
    assert [record['model'] for record in records] == models


def test_segmentor_with_a_figure(run, segmentor, tmp_path, capsys):
    run(segmentor, '--max-shift', '16', '--figure', tmp_path / 'a.svg')
    figure = (tmp_path / 'a.svg').read_text()
    assert 'mIoU' in capsys.readouterr().out
    assert figure.rstrip().endswith('</svg>')


def test_classifiers_of_both_kinds(run, classifier, photographs, tmp_path, capsys):
    torch.save(timm.create_model('resnet10t', num_classes=2).state_dict(), tmp_path / 'a.pth')
    with pytest.raises(SystemExit, match=r'^compare.py: .* do not fit'):
        run(classifier, f'resnet10t={tmp_path / "a.pth"}', '--data-dir', photographs, '--max-shift', '16')
    run(
        classifier,
        '--names',
        'mine',
        '--max-shift',
        '16',
        '--views',
        '3',
        '--figure',
        tmp_path / 'a.png',
        '--published',
    )
    out = capsys.readouterr().out
    assert 'top-1 (%)' in out
    assert '| mine  |' in out
    assert (tmp_path / 'a.png').stat().st_size > 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['a.py'], 'a config must come with its checkpoint'),
        (['resnet18=missing.pth'], 'checkpoint must be a file, got missing.pth'),
        (['a.py:b.pth'], 'config must be a file, got a.py'),
        (['a.py:b.pth', '--img-size', '32'], 'img_size must not be given for configs'),
        (['resnet18'], 'data_dir must be given for a timm network'),
        (['resnet18', '--json', __file__], 'json must be a file that compare.py wrote'),
    ],
    ids=['no-checkpoint', 'missing', 'config', 'folder-option', 'data-dir', 'json'],
)
def test_one_message_without_traceback(arguments, message, run):
    with pytest.raises(SystemExit, match=f'^compare.py: .*{message}'):
        run(*arguments)


@pytest.mark.parametrize(
    'arguments',
    [['a', 'a'], ['a', 'b', '--names', 'c'], ['a', 'b', '--names', 'c', 'c'], ['a', '--published']],
    ids=['models', 'too-few-names', 'equal-names', 'published'],
)
def test_bad_command_line(arguments, run):
    with pytest.raises(SystemExit, match='2'):
        run(*arguments)
