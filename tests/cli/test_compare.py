"""`antialias compare`, with networks that nobody trained."""

import json
import re

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

SMALL = ['--size', '32', '--max-shift', '8', '--workers', '0', '--unlabelled']


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
    return f'{folder / "config.py"}@{folder / "weights.pth"}'


@pytest.fixture
def segmentor(tmp_path):
    return write(segmentation_config(write_noise(tmp_path / 'data'), tmp_path), tmp_path)


@pytest.fixture
def classifier(tmp_path):
    config = classification_config(write_imagenet(tmp_path / 'data'), tmp_path)
    config.test_dataloader.dataset.pipeline, config.test_cfg = pipeline(32), {}
    return write(config, tmp_path)


def test_second_time_nothing_is_measured(antialias, photographs, weights, tmp_path, monkeypatch):
    models = [f'resnet10t@{path}' for path in weights]
    files = ['--json', tmp_path / 'a.json', '--table', tmp_path / 'a.csv']
    assert antialias('compare', *models[:1], '--images', photographs, *SMALL, *files).status == 0
    monkeypatch.undo()
    options = ['--images', photographs, *SMALL, '--json', tmp_path / 'a.json']
    assert antialias('compare', *models, *options).status == 0
    monkeypatch.setattr('antialias_plugins.evaluation.models.evaluate', None)
    out = antialias('compare', *models, *options, '--table', tmp_path / 'a.md').out
    assert [line.split('|')[1].strip() for line in out.splitlines()[2:4]] == ['resnet10t (a)', 'resnet10t (b)']
    assert out.startswith((tmp_path / 'a.md').read_text())
    assert len((tmp_path / 'a.csv').read_text().splitlines()) == 2
    records = json.loads((tmp_path / 'a.json').read_text())['models']
    assert [record['model'] for record in records] == models


def test_segmentor_with_a_figure(segmentor, tmp_path, antialias):
    answer = antialias('compare', segmentor, '--max-shift', '16', '--figure', tmp_path / 'a.svg')
    assert 'mIoU' in answer.out
    assert (tmp_path / 'a.svg').read_text().rstrip().endswith('</svg>')


def test_classifiers_of_both_kinds(classifier, photographs, tmp_path, antialias):
    torch.save(timm.create_model('resnet10t', num_classes=2).state_dict(), tmp_path / 'a.pth')
    other = f'resnet10t@{tmp_path / "a.pth"}'
    answer = antialias('compare', classifier, other, '--images', photographs, '--max-shift', '16')
    assert answer.status == 1
    assert re.search('^antialias compare: .* do not fit', answer.err, re.MULTILINE)
    figure = ['--figure', tmp_path / 'a.png', '--published']
    out = antialias('compare', classifier, '--names', 'mine', '--max-shift', '16', '--views', '3', *figure).out
    assert 'top-1 (%)' in out
    assert '| mine  |' in out
    assert (tmp_path / 'a.png').stat().st_size > 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('a.py', 'a config must come with its checkpoint'),
        ('resnet18@missing.pth', 'checkpoint must be a file, got missing.pth'),
        ('a.py@b.pth', 'config must be a file, got a.py'),
        ('mine.py@mine.py --size 32', 'size must not be given for configs'),
        ('resnet18', 'images must be given for a timm network, got none'),
        ('resnet18 --images . --json mine.py', 'json must be a file of a comparison, got mine.py'),
        ('resnet18 resnet18 --images .', 'networks must differ, got resnet18 resnet18'),
        ('resnet18 resnet34 --images . --names c', 'names must be one per network, and differ, got c for 2'),
        ('resnet18 resnet34 --images . --names c c', 'names must be one per network, and differ, got c c for 2'),
        ('resnet18 --images . --published', 'published must come with a figure'),
        ('resnet18 --images . --table mine.py', 'table must end in .md or .csv, got mine.py'),
        ('resnet18 --images . --table mine.md', 'table must be a new file, got mine.md, which exists'),
        ('resnet18 --images . --json a --figure ./a', 'json and figure must be different files'),
        ('resnet18 --images . --figure a.png', 'figure must come with images that have labels, got none'),
        ('mine.py@mine.py --figure a.xyz', 'figure must end in one of .*.png.* got a.xyz'),
    ],
)
def test_wrong_use_is_said_before_the_work(arguments, message, antialias, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('mine.py', 'mine.md', 'picture.png'):
        (tmp_path / name).touch()
    answer = antialias('compare', *arguments.split())
    assert answer.status == 2
    assert re.fullmatch(f'antialias compare: {message}.*\n', answer.err)
    assert len([*tmp_path.iterdir()]) == 3
