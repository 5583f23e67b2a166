"""`tools/make_figures.py`."""

import runpy
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / 'tools/make_figures.py'


def test_published_results_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--only', 'pareto.png', '--out', str(tmp_path)])
    runpy.run_path(str(TOOL), run_name='__main__')
    size = (tmp_path / 'pareto.png').stat().st_size
    assert capsys.readouterr().out == f'{tmp_path / "pareto.png"}: {size / 1e3:.0f} kB\n'


def test_a_folder_without_a_training_is_named(monkeypatch, tmp_path):
    pytest.importorskip('mmseg')
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--folders', str(tmp_path), '--out', str(tmp_path / 'out')])
    with pytest.raises(SystemExit, match=r'^make_figures\.py: source must be a finished training of the quickstart'):
        runpy.run_path(str(TOOL), run_name='__main__')
