"""`tools/compare_methods.py`, on a few images."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

TOOL = Path(__file__).parents[3] / 'tools/compare_methods.py'


@pytest.fixture
def run(monkeypatch):
    """Runs the tool in this process."""
    threads = torch.get_num_threads()

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    yield run
    torch.set_num_threads(threads)


def test_files_and_continuation(run, tmp_path, capsys, monkeypatch):
    options = ('--out', tmp_path, '--quick', '--seeds', 0, 1)
    run(*options, '--methods', 'baseline', 'lpf3-circular')
    capsys.readouterr()
    monkeypatch.setattr('lab.comparison.study.train', None)
    run(*options, '--methods', 'baseline', 'lpf3-circular')
    out = capsys.readouterr().out
    table = (tmp_path / 'comparison.md').read_text()
    assert out.startswith(table)
    assert table.count('| baseline ') == table.count('| lpf3-circular ') == 2
    written = json.loads((tmp_path / 'comparison.json').read_text())
    assert [(run['method'], run['seed']) for run in written['runs']] == [
        ('baseline', 0),
        ('lpf3-circular', 0),
        ('baseline', 1),
        ('lpf3-circular', 1),
    ]
    assert [row['method'] for row in written['methods']] == ['baseline', 'lpf3-circular']
    assert written['recipe']['train_images'] == 64
    assert not any('run' in run for run in written['runs'])
    assert (tmp_path / 'comparison.png').stat().st_size > 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--methods', 'lpx3'], "compare_methods.py: pool must be one of .* got 'lpx3'"),
        (['--seeds', '1', '1'], 'compare_methods.py: seeds must be at least one, without repetition'),
        (['--epochs', '0'], 'compare_methods.py: epochs must be at least 1, got 0'),
    ],
    ids=['method', 'seed', 'epochs'],
)
def test_mistakes_are_told_in_one_line(run, tmp_path, arguments, message):
    with pytest.raises(SystemExit, match=message):
        run('--out', tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--quick', '--epochs', '2'], '--epochs must be left out with --quick'),
        (['--threads', '0'], '--threads must be at least 1, got 0'),
    ],
    ids=['quick', 'threads'],
)
def test_options_that_do_not_fit(run, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        run('--out', tmp_path, *arguments)
    assert message in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(run, tmp_path, capsys, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr('lab.comparison.study.train', interrupt)
    with pytest.raises(SystemExit) as error:
        run('--out', tmp_path, '--quick')
    assert error.value.code == 130
    assert 'interrupted, what was measured is kept' in capsys.readouterr().err
