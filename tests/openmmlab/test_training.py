import sys
import time
from ast import literal_eval

import pytest
from mmengine.config import Config

from antialias_plugins.openmmlab.training import Training, kill

TOOL = """
import sys, time
print(sys.argv[1:])
time.sleep({seconds})
sys.exit({status})
"""


@pytest.fixture
def train(tmp_path, monkeypatch):
    """A training by a package whose tool does as it is told."""

    def build(seconds=0, status=0):
        tool = tmp_path / 'toymm' / '.mim' / 'tools' / 'train.py'
        tool.parent.mkdir(parents=True)
        tool.write_text(TOOL.format(seconds=seconds, status=status))
        (tmp_path / 'toymm' / '__init__.py').touch()
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, 'toymm', raising=False)
        return Training(Config({'default_scope': 'toymm', 'train_cfg': {'max_iters': 3}}), tmp_path / 'work')

    return build


def test_the_tool_is_told_to_resume(train):
    training = train()
    training.finish()
    recipe, *arguments = literal_eval((training.folder / 'output.txt').read_text())
    assert Config.fromfile(recipe).train_cfg.max_iters == training.iterations == 3
    assert arguments == ['--work-dir', str(training.folder), '--resume']


def test_a_failure_is_told(train):
    with pytest.raises(RuntimeError, match=r"the training in '.*work' ended with status 3:\n.*--resume"):
        train(status=3).finish()


@pytest.mark.parametrize('seconds', [0, 60], ids=['ended', 'running'])
def test_kill(train, seconds):
    process = train(seconds).start()
    if not seconds:
        process.wait()
    begin = time.monotonic()
    kill(process)
    assert process.returncode == (-9 if seconds else 0)
    assert time.monotonic() - begin < 30


def test_where_it_resumes(train):
    training = train()
    assert training.resumes_from == 0
    training.folder.mkdir()
    (training.folder / 'last_checkpoint').write_text('elsewhere/iter_12.pth')
    assert training.resumes_from == 12
