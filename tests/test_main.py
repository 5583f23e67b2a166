"""`python -m antialias_plugins`, which runs a script with the plug-ins imported."""

import os
import subprocess
import sys

import pytest

from antialias_plugins.__main__ import main

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
    """Does what `python -m antialias_plugins` does, in this process."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['__main__.py', *map(str, args)])
        monkeypatch.setattr(sys, 'path', ['', *sys.path])
        main()

    return run


def test_script_finds_our_networks(run, script, capsys):
    run(script, 'resnet18_lpf4')
    assert capsys.readouterr().out.splitlines() == [expected(script)]


def test_under_torchrun(script, tmp_path):
    arguments = ['--standalone', '--nproc-per-node', '1', '-m', 'antialias_plugins', script, 'resnet18_lpf4']
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
        ([], r'usage: python -m antialias_plugins SCRIPT \[ARGUMENT …\]'),
        (['--help'], r'usage: python -m antialias_plugins SCRIPT \[ARGUMENT …\]'),
        (['missing.py'], 'python -m antialias_plugins: missing.py is no file'),
    ],
    ids=['nothing', 'help', 'no-file'],
)
def test_bad_argument(args, message, run):
    with pytest.raises(SystemExit, match=f'^{message}$'):
        run(*args)
