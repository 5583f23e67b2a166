import json

import numpy as np
import pytest
from mmengine.config import Config

from lab.scaling import largest_difference, losses_by_processes

CONFIG = {
    'train_dataloader': {'batch_size': 4},
    'train_cfg': {'max_iters': 2},
    'env_cfg': {},
    'log_processor': {},
    'default_hooks': {'logger': {}},
}


def leave(folder, losses):
    """Leave what a finished training leaves."""
    path = folder / 'time' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps({'loss': loss, 'step': step}) + '\n' for step, loss in enumerate(losses, 1)))
    (folder / 'last_checkpoint').write_text('iter_2.pth')


def test_what_is_there_is_not_trained_again(tmp_path):
    leave(tmp_path / '1', [2.0, 1.0])
    leave(tmp_path / '2', [2.0, 1.25])

    losses = losses_by_processes(Config(CONFIG), tmp_path, [1, 2])

    assert {count: values.tolist() for count, values in losses.items()} == {1: [2.0, 1.0], 2: [2.0, 1.25]}
    assert largest_difference(losses) == pytest.approx(0.25)


def test_nothing_differs_from_itself():
    assert largest_difference({1: np.array([2.0, 1.0])}) == 0


@pytest.mark.parametrize('count', [0, 3, 8])
def test_processes_must_divide_the_batch(count, tmp_path):
    with pytest.raises(ValueError, match=f'counts must divide the batch of 4, got {count}'):
        losses_by_processes(Config(CONFIG), tmp_path, [1, count])
