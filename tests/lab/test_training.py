import time
from ast import literal_eval
from functools import partial

import pytest
from mmengine.config import Config

from lab.training import Training, kill, read_scalars
from tests.openmmlab.toy_package import build_training


@pytest.fixture
def leave(tmp_path):
    def leave(name, text):
        path = tmp_path / name / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(text)

    return leave


def test_runs_follow_each_other_and_half_a_line_is_left_out(leave, tmp_path):
    leave('20200101_000002', '{"loss": 2.0, "step": 2}\n{"mIoU": 10.0, "step": 2}\n')
    leave('20200101_000001', '{"loss": 3.0, "step": 1}\n{"loss": 2.0, "st')
    assert read_scalars(tmp_path) == [{'loss': 3.0, 'step': 1}, {'loss': 2.0, 'step': 2}, {'mIoU': 10.0, 'step': 2}]


def test_other_damage_is_an_error(leave, tmp_path):
    leave('20200101_000001', '{"loss": 2.0, "st\n{"loss": 2.0, "step": 2}\n')
    with pytest.raises(ValueError):
        read_scalars(tmp_path)


@pytest.fixture
def train(tmp_path, monkeypatch):
    return partial(build_training, tmp_path, monkeypatch)


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


@pytest.mark.parametrize(
    ('config', 'error', 'message'),
    [
        ({}, ValueError, 'config must name the package that trains it, default_scope, got none'),
        ({'default_scope': 'no_such_package'}, ImportError, 'no_such_package'),
    ],
    ids=['no package', 'not installed'],
)
def test_without_a_package_nothing_is_left_behind(config, error, message, tmp_path):
    with pytest.raises(error, match=message):
        Training(Config(config), tmp_path / 'work').start()
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize('schedule', [{}, {'train_cfg': None}, {'train_cfg': {'max_epochs': 90}}], ids=str)
def test_a_length_in_epochs_is_refused(schedule, tmp_path):
    with pytest.raises(ValueError, match=r'config must train for a number of iterations, train_cfg\.max_iters, got {'):
        Training(Config(schedule), tmp_path).iterations  # noqa: B018
