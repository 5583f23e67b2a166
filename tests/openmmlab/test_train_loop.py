import random

import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.registry import DATASETS
from torch.utils.data import DataLoader, Dataset

from antialias_plugins.openmmlab.resumable_training import DrawSampler, ResumableTrainLoop, SeededDataset

LENGTH = 5


@DATASETS.register_module()
class NoisyNumbers(Dataset):
    """Sample I is I, and one number of each generator that a transform may draw from."""

    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        return torch.tensor([index, random.random(), np.random.rand(), torch.rand(()).item()], dtype=torch.float64)


def draw(seed=0, start=0, batches=6, workers=0):
    """Load the batches from `start` on, as a training that is resumed there does."""
    random.seed(start)
    dataset = SeededDataset({'type': 'NoisyNumbers'}, seed)
    sampler = DrawSampler(dataset, seed=seed)
    loader = DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=workers)
    loaded = [batch for _, batch in zip(range(batches), loader, strict=False)]
    return torch.stack(loaded[start:])


@pytest.mark.parametrize('start', [0, 1, 4])
@pytest.mark.parametrize('workers', [0, 2])
def test_samples_do_not_depend_on_when_and_where_they_are_loaded(start, workers):
    torch.testing.assert_close(draw(start=start, workers=workers), draw()[start:], rtol=0, atol=0)


def test_every_draw_has_its_own_randomness():
    noise = draw(batches=10)[..., 1:].flatten()

    assert len(noise.unique()) == len(noise)
    assert not torch.isin(draw(seed=1, batches=10)[..., 1:], noise).any()


def test_draws_are_the_order_of_mmengine():
    dataset = NoisyNumbers()
    draws = [number for number, _ in zip(DrawSampler(dataset, seed=3), range(20), strict=False)]
    indices = [index for index, _ in zip(InfiniteSampler(dataset, seed=3), range(20), strict=False)]

    assert [divmod(number, LENGTH) for number in draws] == list(enumerate(indices))


@pytest.mark.parametrize(
    ('dataloader', 'message'),
    [
        pytest.param(DataLoader(NoisyNumbers()), 'train_dataloader must be a config, got DataLoader', id='built'),
        pytest.param({'dataset': {}}, "sampler must be of type 'InfiniteSampler', got {}", id='no sampler'),
        pytest.param({'sampler': {'type': 'DefaultSampler'}}, "must be of type 'InfiniteSampler'", id='other sampler'),
        pytest.param(
            {'sampler': {'type': 'InfiniteSampler'}, 'batch_sampler': {'type': 'BatchSampler'}},
            'train_dataloader must have no batch_sampler',
            id='batch sampler',
        ),
        pytest.param(
            {'sampler': {'type': 'InfiniteSampler'}, 'num_batch_per_epoch': 3},
            'train_dataloader must have no num_batch_per_epoch, got 3',
            id='batches per epoch',
        ),
    ],
)
def test_loaders_that_cannot_be_resumed_are_refused(dataloader, message):
    class Runner:
        seed = 0

    with pytest.raises(ValueError, match=message):
        ResumableTrainLoop(Runner(), dataloader, max_iters=1)
