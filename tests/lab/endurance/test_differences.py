import json

import pytest
import torch

from lab.endurance import find_differences

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
