from collections import Counter

import pytest
from mmengine.config import Config

from lab.endurance import PHASES, Kill, draw_phases, format_kills, kill_and_resume
from lab.training import Training
from tests.openmmlab.toy_package import build_training


def test_every_phase_has_its_share():
    phases = draw_phases(10, seed=3)
    assert phases == draw_phases(10, seed=3) != draw_phases(10, seed=4)
    assert sorted(Counter(phases).values()) == [2, 2, 3, 3]
    assert set(phases) == set(PHASES)


@pytest.mark.parametrize(
    ('phases', 'processes', 'message'),
    [
        (['sleeping'], 1, "phases must be of starting, training, writing, validating, got 'sleeping'"),
        (['training'], 2, 'training must have one process, got 2'),
        (['training'], 1, 'config must train for a number of iterations'),
    ],
    ids=['phase', 'processes', 'epochs'],
)
def test_bad_arguments(phases, processes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        kill_and_resume(Training(Config(), tmp_path, processes), phases)


def test_no_kill_is_refused():
    with pytest.raises(ValueError, match='kills must be at least 1, got 0'):
        draw_phases(0)


@pytest.mark.parametrize(
    ('status', 'message'),
    [(0, 'came to its end before it could be killed while training: it must be longer'), (3, 'ended with status 3')],
    ids=['too short', 'failed'],
)
def test_a_process_that_ends_before_its_kill(status, message, tmp_path, monkeypatch):
    training = build_training(tmp_path, monkeypatch, status=status)
    with pytest.raises(RuntimeError, match=f"the training in '.*work' {message}"):
        next(kill_and_resume(training, ['training']))


def test_report():
    kills = [Kill(1.25, 'starting', 0, (), 0), Kill(20.0, 'writing', 12, ('.iter_12.pth.4711.partial',), 8)]
    assert format_kills(kills).splitlines()[2:] == [
        '| 1    |  1.2 s | starting |         0 |                 – |      scratch |',
        '| 2    | 20.0 s |  writing |        12 |       iter_12.pth |            8 |',
    ]
