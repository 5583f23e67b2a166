"""Trainings that are killed at any moment: their random numbers and their checkpoints."""

import multiprocessing
import os
import random
import signal
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DATASETS
from mmengine.runner import save_checkpoint
from torch.utils.data import DataLoader, Dataset

from antialias_plugins.openmmlab.resumable_training import (
    AtomicCheckpointHook,
    DrawSampler,
    ResumableTrainLoop,
    SeededDataset,
)

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


STEPS = 3
METRICS = (0.5, 0.7, 0.6)


class Training:
    """As much of a runner as the hook asks for; its weights are the number of its iterations."""

    def __init__(self, folder):
        self.work_dir, self.max_iters, self.epoch = str(folder), STEPS, 0
        self.message_hub = MessageHub(f'training {os.getpid()} {id(self)}')
        self.logger = MMLogger.get_current_instance()
        pointer = folder / 'last_checkpoint'
        checkpoint = torch.load(pointer.read_text(), weights_only=False) if pointer.exists() else {'step': 0, 'hub': {}}
        self.iter = checkpoint['step']
        for name, value in checkpoint['hub'].items():
            self.message_hub.update_info(name, value)

    def save_checkpoint(self, folder, filename, file_client_args=None, *, meta, backend_args, **options):
        checkpoint = {'step': meta['iter'], 'hub': dict(self.message_hub.runtime_info)}
        save_checkpoint(checkpoint, str(Path(folder, filename)), backend_args=backend_args)

    def run(self, hook):
        hook.before_train(self)
        if self.iter:
            hook.after_val_epoch(self, {'mIoU': METRICS[self.iter - 1]})
        for step in range(self.iter, STEPS):
            hook.after_train_iter(self, batch_idx=step)
            self.iter += 1
            hook.after_val_epoch(self, {'mIoU': METRICS[step]})


def build(kind, keep=1, **options):
    return kind(interval=1, by_epoch=False, max_keep_ckpts=keep, **options)


def files(folder):
    return {path.name for path in folder.iterdir()}


def run_killed(folder, hook, moment):
    """Train in a process that is killed when it is about to touch its files for the `moment`-th time."""
    touched = count()

    def kill(event, arguments):
        mine = event in ('open', 'os.rename', 'os.remove') and str(arguments[0]).startswith(str(folder))
        if mine and next(touched) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def run():
        sys.addaudithook(kill)
        Training(folder).run(hook)

    process = multiprocessing.get_context('fork').Process(target=run)
    process.start()
    process.join()
    return process.exitcode


def resume(folder, build_hook):
    """Train to the end; whether that was possible."""
    try:
        Training(folder).run(build_hook())
    except (OSError, EOFError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize(('keep', 'best'), [(1, 'mIoU'), (2, None)], ids=['save_best', 'no best'])
def test_a_training_may_be_killed_whenever_it_touches_a_file(keep, best, tmp_path):
    def build_hook():
        return build(AtomicCheckpointHook, keep, save_best=best)

    undisturbed = tmp_path / 'undisturbed'
    undisturbed.mkdir()
    assert resume(undisturbed, build_hook)
    for moment in count():
        folder = tmp_path / str(moment)
        folder.mkdir()
        status = run_killed(folder, build_hook(), moment)
        assert resume(folder, build_hook)
        assert files(folder) == files(undisturbed)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert moment > 3 * STEPS


def test_it_is_not_so_with_mmengines_own(tmp_path):
    """What the hook is for: once this fails, it is not needed any more."""
    resumed = []
    for moment in range(3 * STEPS):
        folder = tmp_path / str(moment)
        folder.mkdir()
        run_killed(folder, build(CheckpointHook), moment)
        resumed.append(resume(folder, lambda: build(CheckpointHook)))
    assert not all(resumed)


@pytest.mark.parametrize('keep', [-1, 1, 2])
def test_the_same_checkpoints_are_kept_as_by_mmengine(keep, tmp_path):
    for name, kind in (('ours', AtomicCheckpointHook), ('mmengine', CheckpointHook)):
        (tmp_path / name).mkdir()
        Training(tmp_path / name).run(build(kind, keep, save_best='mIoU'))

    assert files(tmp_path / 'ours') == files(tmp_path / 'mmengine')
    assert (tmp_path / 'ours' / 'last_checkpoint').read_text() == str(tmp_path / 'ours' / f'iter_{STEPS}.pth')


def test_epochs(tmp_path):
    training, hook = Training(tmp_path), AtomicCheckpointHook(interval=1, max_keep_ckpts=1)
    hook.before_train(training)
    for training.epoch in range(3):
        hook.after_train_epoch(training)
    assert files(tmp_path) == {'epoch_3.pth', 'last_checkpoint'}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'backend_args': {'backend': 'petrel'}}, 'backend_args must be None, for local files, got .*petrel'),
        ({'out_dir': 's3://bucket'}, "out_dir must be a local folder, got 's3://bucket'"),
    ],
    ids=['backend_args', 'out_dir'],
)
def test_other_file_systems_are_refused(options, message):
    with pytest.raises(ValueError, match=f'AtomicCheckpointHook: {message}'):
        AtomicCheckpointHook(**options)
