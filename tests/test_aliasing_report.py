"""`tools/aliasing_report.py`, with networks that nobody trained."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.explorer.conftest import photograph as photograph

TOOL = Path(__file__).parents[1] / 'tools/aliasing_report.py'
NETWORKS = ['--model', 'resnet18', '--model', 'resnet18_lpf4', '--size', '64', '--device', 'cpu']


@pytest.fixture
def run(monkeypatch):
    """Runs the tool in this process."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


def test_tables_numbers_and_figures(run, photograph, tmp_path, capsys):
    files = [tmp_path / 'new' / name for name in ('report.json', 'spectra.png', 'errors.webp')]
    outputs = zip(('--json', '--figure', '--equivariance-figure'), files, strict=True)
    options = ['--names', 'plain', 'smooth', '--layers', 'layer?.0', '--shift', 1, 2, '--window', 'none']
    run(*NETWORKS, '--image', photograph, *options, *(part for output in outputs for part in output))
    out = capsys.readouterr().out
    assert 'energy above the Nyquist frequency of the smaller map:\n| place ' in out
    assert 'equivariance error under shifts of 1 down 1 right, 2 down 2 right:\n' in out
    report = json.loads(files[0].read_text())
    assert report['settings']['image'] == [str(photograph)]
    assert [layer['name'] for layer in report['equivariance']['smooth']['layers']] == [
        f'layer{n}.0' for n in (1, 2, 3, 4)
    ]
    assert [site['filter'] for site in report['aliasing']['smooth']['sites']][:2] == ['', 'BlurPool2d(4)']
    for file, kind in zip(files[1:], ('PNG', 'WEBP'), strict=True):
        with Image.open(file) as picture:
            assert picture.format == kind
    assert all(f'{file}: written' in out for file in files)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--names', 'a', 'a'], 'names must be one or more and differ, got a, a'),
        (['--layers', 'nothing'], "layers must name modules of the network, 'nothing' matches none"),
    ],
    ids=['names', 'layers'],
)
def test_one_message_without_traceback(options, message, run, photograph):
    with pytest.raises(SystemExit, match=f'^aliasing_report.py: .*{message}'):
        run(*NETWORKS, '--image', photograph, *options)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--model', 'a', 'b', 'c'], '--model must be a name and at most one checkpoint'),
        (['--names', 'a'], '--names must be one per network, got 1 for 2'),
    ],
    ids=['checkpoints', 'names'],
)
def test_arguments_that_do_not_fit(options, message, run, capsys):
    with pytest.raises(SystemExit, match='2'):
        run(*NETWORKS, '--image', 'a.png', *options)
    assert message in capsys.readouterr().err
