"""`tools/setup_env.sh` with stand-ins for Python, whose pip does what `FAKE_PIP` says, and for the disk.

Nothing is installed, and it does not matter how full the machine is.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.processes import start_script

ROOT = Path(__file__).parents[1]
FILES = ('tools/setup_env.sh', 'setup.cfg', 'antialias_plugins/version.py', 'requirements')
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    '-m venv '*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    '-m pip '*) printf '%s\\n' "$*" >>"$FAKE_LOG" && eval "${FAKE_PIP:-true}" ;;
    '-c import mmcv._ext') eval "${FAKE_IMPORT:-true}" ;;
    *) echo stand-in ;;
esac
"""
FAKE_DF = """#!/bin/sh
echo Filesystem 1024-blocks Used Available Capacity Mounted on
echo disk 999999999 0 $((${FAKE_FREE_GB:-100} * 1024 * 1024)) 0% /
"""
pytestmark = pytest.mark.skipif(os.name != 'posix', reason='a shell script')


class Clone:
    """A copy of what the script reads, and a way to call the script in it."""

    def __init__(self, root: Path):
        self.root = root
        self.log = root / 'pip.log'
        for name in FILES:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, root / name)
        stand_ins = root.parent / f'{root.name}-bin'
        stand_ins.mkdir()
        for name, script in (('python', FAKE_PYTHON), ('df', FAKE_DF)):
            (stand_ins / name).write_text(script)
            (stand_ins / name).chmod(0o755)
        self.env = os.environ | {
            'PATH': f'{stand_ins}:{os.environ["PATH"]}',
            'PYTHON': str(stand_ins / 'python'),
            'FAKE_LOG': str(self.log),
            'XDG_CACHE_HOME': str(root.parent / 'cache'),
        }

    def start(self, stack, **env):
        return start_script(self.root / 'tools/setup_env.sh', stack, env=self.env | env)

    def call(self, stack='onedl', **env):
        process = self.start(stack, **env)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def start_and_wait_for_pip(self, stack, pip):
        process = self.start(stack, FAKE_PIP=pip)
        deadline = time.monotonic() + 30
        while not self.log.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return process

    def has(self, stack='onedl'):
        return (self.root / '.venv' / stack).exists()


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path / 'clone')


def test_unknown_stack_names_those_there_are(clone):
    code, output = clone.call('mmlab')
    assert code != 0
    assert "unknown stack 'mmlab': choose onedl, openmmlab or oldest" in output


def test_unsuitable_python_is_named(clone):
    code, output = clone.call(PYTHON='false')
    assert code != 0
    assert 'PYTHON=false does not run or is not Python 3.10 or newer' in output
    assert not clone.has()


def test_missing_compiler_is_told_before_anything_is_installed(clone):
    code, output = clone.call('openmmlab', CXX='no-such-compiler')
    assert code != 0
    assert 'no C++ compiler (no-such-compiler)' in output
    assert not clone.log.exists()


def test_too_small_a_disk_is_told_before_anything_is_installed(clone):
    code, output = clone.call(FAKE_FREE_GB='7')
    assert code != 0
    assert 'has 7 GB of free disk space and .venv/onedl needs 8 GB' in output
    assert not clone.log.exists()
    assert not clone.has()
    assert clone.call(FAKE_FREE_GB='8')[0] == 0


def test_oldest_has_the_lower_bounds_and_no_stack(clone):
    assert clone.call('oldest')[0] == 0
    assert '--requirement requirements/oldest.txt' in clone.log.read_text()
    assert '--requirement requirements/tests.txt' not in clone.log.read_text()


def test_second_call_does_nothing(clone):
    assert clone.call()[0] == 0
    calls = clone.log.read_text()
    code, output = clone.call()
    assert (code, output) == (0, '.venv/onedl is up to date.\n')
    assert clone.log.read_text() == calls


def test_changed_recipe_is_named_and_rebuilt(clone):
    clone.call()
    stale = clone.root / '.venv/onedl/stale'
    for changed in ('requirements/onedl.txt', 'requirements/tests.txt', 'setup.cfg'):
        stale.touch()
        with (clone.root / changed).open('a') as file:
            file.write('# changed\n')
        code, output = clone.call()
        assert code == 0
        assert f'.venv/onedl is out of date (changed: {changed})' in output
        assert not stale.exists()


def test_failure_leaves_nothing_and_says_what_to_do(clone):
    code, output = clone.call(FAKE_PIP='exit 3')
    assert code != 0
    assert 'put right what it complains of' in output
    assert not clone.has()
    assert clone.call()[0] == 0


@pytest.mark.parametrize(
    ('send', 'number'),
    [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM), (os.kill, signal.SIGHUP)],
    ids=['ctrl-c', 'terminate', 'hang-up'],
)
def test_interrupted_build_is_removed_at_once(clone, send, number):
    process = clone.start_and_wait_for_pip('onedl', pip='exec sleep 50')
    send(process.pid, number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert 'the unfinished .venv/onedl is removed' in output
    assert not clone.has()


def test_killed_build_is_waited_for_and_rebuilt(clone):
    process = clone.start_and_wait_for_pip('onedl', pip='exec sleep 5 >/dev/null 2>&1')
    process.kill()
    process.communicate(timeout=20)
    assert clone.has()
    code, output = clone.call()
    assert code == 0
    assert '.venv/onedl was left unfinished: it is rebuilt.' in output
    if shutil.which('flock'):
        assert 'Another process is building .venv/onedl' in output


MAKE_WHEEL = 'case "$*" in *" wheel "*) echo "$FAKE_WHEEL" >"$TMPDIR/mmcv-1-any.whl" ;; esac'


def test_compiled_mmcv_is_kept_for_the_next_clone_and_compiled_again_where_it_does_not_load(tmp_path):
    first, second, third = (Clone(tmp_path / name) for name in ('first', 'second', 'third'))
    assert first.call('openmmlab', CXX='sh', FAKE_PIP=MAKE_WHEEL, FAKE_WHEEL='bad')[0] == 0
    (kept,) = (tmp_path / 'cache').rglob('*.whl')
    code, output = second.call('openmmlab', CXX='no-such-compiler')
    assert code == 0
    assert 'compiled before' in output
    assert 'wheel --no-deps' in first.log.read_text()
    assert 'wheel --no-deps' not in second.log.read_text()
    does_not_load = f'! grep -q bad {kept}'
    code, output = third.call('openmmlab', CXX='sh', FAKE_PIP=MAKE_WHEEL, FAKE_WHEEL='good', FAKE_IMPORT=does_not_load)
    assert code == 0
    assert 'does not work with this PyTorch' in output
    assert kept.read_text() == 'good\n'
