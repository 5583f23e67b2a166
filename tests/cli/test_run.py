"""`antialias run`, which runs a script with the plug-ins imported."""

import os
import subprocess
import sys

import pytest

from antialias_cli import main

SCRIPT = """
import sys
import timm
import neighbour

if __name__ == '__main__':
    network = timm.create_model(sys.argv[1])
    print(__file__, sys.argv, sys.path[0], type(network).__name__, sorted(timm.list_models('resnet18_lpf4')))
"""


@pytest.fixture
def script(tmp_path):
    """A script like timm's train.py: it imports its neighbour, and knows nothing of this package."""
    (tmp_path / 'scripts').mkdir()
    (tmp_path / 'scripts' / 'neighbour.py').touch()
    path = tmp_path / 'scripts' / 'train.py'
    path.write_text(SCRIPT)
    return path


def expected(script):
    return f"{script} ['{script}', 'resnet18_lpf4'] {script.parent} ResNet ['resnet18_lpf4']"


@pytest.fixture
def run(monkeypatch):
    """Runs the command as a process would, with its own arguments and import path."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['antialias', *map(str, args)])
        monkeypatch.setattr(sys, 'path', ['', *sys.path])
        main()

    return run


@pytest.mark.parametrize('form', [['run'], []], ids=['run', 'before-there-were-commands'])
def test_script_finds_our_networks(form, run, script, capsys):
    run(*form, script, 'resnet18_lpf4')
    assert capsys.readouterr().out.splitlines() == [expected(script)]


def test_options_and_errors_are_the_scripts_own(run, tmp_path, capsys):
    path = tmp_path / 'fails.py'
    path.write_text('import sys\nprint(sys.argv[1:])\nraise ValueError("mine")')
    with pytest.raises(ValueError, match='mine'):
        run('run', path, '--help', '--json', 'a')
    assert capsys.readouterr().out == "['--help', '--json', 'a']\n"


def test_an_interrupted_script_is_one_line(run, tmp_path, capsys):
    path = tmp_path / 'waits.py'
    path.write_text('raise KeyboardInterrupt')
    with pytest.raises(SystemExit, match='130'):
        run('run', path)
    assert capsys.readouterr().err == 'antialias run: interrupted, what the script wrote stays\n'


@pytest.mark.parametrize('form', [['run'], []], ids=['run', 'before-there-were-commands'])
def test_under_torchrun(form, script, tmp_path):
    arguments = ['--standalone', '--nproc-per-node', '1', '-m', 'antialias_plugins', *form, script, 'resnet18_lpf4']
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [expected(script)], done.stderr


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['run'], 'antialias run: the following arguments are required: SCRIPT (see antialias run --help)'),
        (['run', 'missing.py'], 'antialias run: script must be a file, got missing.py, which is none'),
        (['missing.py'], 'antialias run: script must be a file, got missing.py, which is none'),
    ],
    ids=['nothing', 'no-file', 'no-file-of-old'],
)
def test_bad_argument(args, message, antialias):
    assert antialias(*args)[::2] == (2, message + '\n')
