"""`tools/export_parity.py`."""

import json
import logging
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

from lab.parity import exporters, networks
from lab.parity.report import BEGIN, END

TOOL = Path(__file__).parents[3] / 'tools/export_parity.py'


@pytest.fixture
def run(monkeypatch):
    """Runs the tool in this process; returns how it ended."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        with pytest.raises(SystemExit) as exit:
            runpy.run_path(str(TOOL), run_name='__main__')
        return exit.value.code

    yield run
    logging.disable(logging.NOTSET)


@pytest.fixture
def unchecked(monkeypatch):
    """No network is checked."""
    monkeypatch.setattr(networks, 'NETWORKS', {'none': pytest.fail})


def test_a_selection_is_printed(run, capsys):
    assert run('--network', 'resnet18', '--pool', 'none', 'lpf4', '--recorder', 'channels_last') == 0
    lines = [line.rpartition(': ') for line in capsys.readouterr().out.splitlines()]
    names = [f'{name}, channels_last' for name in ('resnet18, none', 'resnet18, lpf4', 'resnet18 fused, lpf4')]
    assert [line[0] for line in lines] == names
    assert all(float(line[2]) < 1e-4 for line in lines)


def test_the_table_has_the_results_of_all_versions(run, monkeypatch, tmp_path):
    monkeypatch.setattr(networks, 'NETWORKS', {'mobilenetv2_100': networks.NETWORKS['mobilenetv2_100']})
    monkeypatch.setattr(exporters, 'EXPORTERS', exporters.EXPORTERS[-1:])
    other = {
        'network': 'mobilenetv2_100',
        'pool': 'lpf4',
        'exporter': 'trace',
        'torch': '1.0',
        'error': 0.0,
        'reason': '',
    }
    (tmp_path / 'results/1.0').mkdir(parents=True)
    (tmp_path / 'results/1.0/mobilenetv2_100.json').write_text(json.dumps([other]))
    document = tmp_path / 'document.md'
    document.write_text(f'text\n{BEGIN}\n{END}\n')
    assert run('--results', tmp_path / 'results', '--out', document) == 0
    text = document.read_text()
    assert text.startswith('text\n') and '### torch 1.0\n' in text
    assert f'### torch {torch.__version__.partition("+")[0]}\n' in text and '| mobilenetv2_100, ddac3 |' in text


def test_nothing_wrong_goes_unnoticed(run, monkeypatch):
    wrong = exporters.Exporter('wrong', lambda model, example: lambda image: model(image) * 1.01, is_dynamic=False)
    monkeypatch.setattr(exporters, 'EXPORTERS', (wrong,))
    assert run('--network', 'resnet18', '--pool', 'none') == 1


@pytest.mark.parametrize(
    ('text', 'message'), [(None, 'No such file'), ('text', 'document must have the lines')], ids=['missing', 'no marks']
)
def test_a_document_that_cannot_take_the_table_is_found_at_once(run, unchecked, tmp_path, text, message):
    document = tmp_path / 'document.md'
    if text is not None:
        document.write_text(text)
    assert re.match(f'export_parity.py: .*{message}', run('--results', tmp_path / 'results', '--out', document))
    assert not (tmp_path / 'results').exists()


def test_an_unknown_filter_is_named(run):
    assert re.match('export_parity.py: .*nonsense', run('--network', 'resnet18', '--pool', 'nonsense'))


def test_an_interruption_is_short(run, monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setitem(networks.NETWORKS, 'resnet18', interrupt)
    assert run('--network', 'resnet18', '--pool', 'lpf4') == 130
    assert 'interrupted' in capsys.readouterr().err
