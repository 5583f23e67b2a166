import json
from collections import Counter

import pytest
import torch
from mmengine.config import Config

from lab.endurance import (
    PHASES,
    Kill,
    Progress,
    draw_phases,
    find_differences,
    format_kills,
    kill_and_resume,
    read_progress,
)
from lab.training import Training
from tests.openmmlab.toy_package import build_training

START = 'mmengine - INFO - Checkpoints will be saved to work_dirs.\n'
FIRST, SECOND = (f'mmengine - INFO - Iter(train) [ {step}/12]  lr: 1.0e-02  loss: 2.0\n' for step in (7, 8))
WRITING = 'mmengine - INFO - Saving checkpoint at 8 iterations\n'
VALIDATING = 'mmengine - INFO - Iter(val) [3/6]    eta: 0:00:00\n'


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (START, Progress('starting', 6)),
        (START + VALIDATING, Progress('validating', 6)),
        (START + FIRST, Progress('training', 7)),
        (START + FIRST + SECOND + WRITING, Progress('writing', 8)),
        (START + SECOND + WRITING + VALIDATING, Progress('validating', 8)),
        (START + FIRST + 'mmengine - INFO - Iter(tra', Progress('training', 7)),
    ],
    ids=['starting', 'resumed validation', 'training', 'writing', 'validating', 'half a line'],
)
def test_the_last_line_tells(text, expected, tmp_path):
    (tmp_path / 'a.log').write_text(text)
    assert read_progress(tmp_path / 'a.log', resumed=6) == expected


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


LOG = [{'loss': 2.0, 'time': 0.1, 'step': 1}, {'loss': 1.5, 'time': 0.1, 'step': 2}, {'mIoU': 10.0, 'step': 2}]


@pytest.fixture
def leave(tmp_path):
    """Leave what a training leaves, in a folder of its own."""

    def leave(name, weight=1.0, momentum=0.5, log=(LOG,), extra=()):
        folder = tmp_path / name
        for run, entries in enumerate(log):
            path = folder / str(run) / 'vis_data' / 'scalars.json'
            path.parent.mkdir(parents=True)
            path.write_text(''.join(json.dumps(entry) + '\n' for entry in entries))
        state = {'state': {0: {'momentum_buffer': torch.tensor([momentum])}}, 'param_groups': [{'lr': 0.1}]}
        checkpoint = {'state_dict': {'weight': torch.tensor([weight])}, 'optimizer': state, 'param_schedulers': []}
        torch.save(checkpoint, folder / 'iter_2.pth')
        (folder / 'last_checkpoint').write_text(str(folder / 'iter_2.pth'))
        for other in extra:
            (folder / other).touch()
        return folder

    return leave


def test_a_resumed_training_has_logged_some_iterations_twice(leave):
    later = [entry | {'time': 0.3} for entry in LOG[1:]]
    assert find_differences(leave('resumed', log=(LOG[:2], later)), leave('whole')) == []


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'weight': 1 + 2**-23}, ['state_dict of the last checkpoint differs']),
        ({'momentum': 0.25}, ['optimizer of the last checkpoint differs']),
        ({'log': (LOG[1:],)}, ['iteration 1 was not logged']),
        ({'log': (LOG[:2],)}, ['validation 2 was not logged']),
        ({'log': (LOG, [{'loss': 1.25, 'step': 2}])}, ['iteration 2 was logged with other numbers']),
        ({'extra': ['iter_1.pth']}, ['file iter_1.pth is in one folder only']),
        ({'extra': ['.iter_2.pth.7.partial']}, ['.iter_2.pth.7.partial is half-written']),
    ],
    ids=['weights', 'optimizer', 'iteration', 'validation', 'numbers', 'checkpoint', 'partial'],
)
def test_differences_are_named(changes, expected, leave):
    assert find_differences(leave('one', **changes), leave('whole')) == expected


def test_a_reference_without_a_log_is_refused(leave):
    with pytest.raises(
        ValueError, match=r"reference must have logged its iterations by LocalVisBackend, found none in '"
    ):
        find_differences(leave('one'), leave('whole', log=([],)))
