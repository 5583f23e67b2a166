"""Several processes against one: mmengine's data parallel and fully sharded training over gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.openmmlab.exact import POOLS, batches, build, train

# In float64, where mmseg divides the sum over the pixels by their number plus 2^-23: parts of a batch have fewer of
# them, at least 3168 here, and 2^-23 / 3168 < 4e-11.
TOLERANCE = {'rtol': 1e-10, 'atol': 0}
KINDS = {'data_parallel': {}, 'fully_sharded': {}, 'accumulated': {'accumulative_counts': 2}}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """What two processes have left."""
    folder = tmp_path_factory.mktemp('parallel')
    # The path to the packages as it is here.
    environment = os.environ | {'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(Path(__file__).with_name('parallel.py')), '2', str(folder / 'losses.pth')]
    subprocess.run(command, env=environment, check=True, timeout=200)
    return folder


@pytest.fixture(scope='module')
def losses(folder):
    return torch.load(folder / 'losses.pth', weights_only=True)


@pytest.mark.parametrize('pool', POOLS)
@pytest.mark.parametrize('kind', KINDS)
def test_losses_are_those_of_one_process(losses, kind, pool):
    expected = torch.tensor(train(build(pool), batches(), **KINDS[kind]))
    torch.testing.assert_close(torch.tensor(losses[kind, pool]), expected, **TOLERANCE)


@pytest.mark.parametrize('kind', KINDS)
def test_filters_of_one_tap_change_nothing(losses, kind):
    torch.testing.assert_close(torch.tensor(losses[kind, 'lpf1']), torch.tensor(losses[kind, None]), **TOLERANCE)


def test_checkpoint_of_shards_is_that_of_one_process(folder):
    checkpoint = torch.load(folder / 'flexible' / 'iter_4.pth', weights_only=False)
    model = build('ddac3')
    train(model, batches())
    torch.testing.assert_close(dict(checkpoint['state_dict']), dict(model.state_dict()), rtol=1e-8, atol=1e-10)
    assert not (folder / 'flexible' / 'iter_2.pth').exists()
