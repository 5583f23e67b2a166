"""Training that may be killed at any moment: its loop, and the hook that writes its checkpoints.

mmengine restores weights, optimizer, schedulers and the order of the samples, but not the state of the generators that
augmentation and dropout draw from, in this process or in the data loader's workers. Here no such state has to be kept:
every sample and every iteration starts the generators from numbers that a resumed process knows as well.

`D` is the number of a draw, counted over all ranks from the first iteration; `I` the index of a sample; `L` the length
of the data set.
"""

import random
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank, is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import DATASETS, HOOKS, LOOPS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import Dataset

from antialias_plugins.metrics.inputs import as_integer
from antialias_plugins.utils import remove_partials, replacing


@LOOPS.register_module()
class ResumableTrainLoop(IterBasedTrainLoop):
    """An `IterBasedTrainLoop` that ends with the same weights whether or not it was interrupted and resumed.

    It holds on one machine for any number of workers and ranks, as far as the operations themselves are deterministic,
    when the checkpoint was written at a multiple of ``accumulative_counts`` and the seed is fixed in the config
    (``randomness=dict(seed=0)``), because mmengine makes the sampler before it reads the seed of the checkpoint.

    mmengine writes the checkpoint of an iteration before it validates there, and a training that is resumed from it
    goes on with the next iteration. Here it begins with that validation, which may have been interrupted.

    Args:
        runner: The runner.
        dataloader: Config of the training data loader; its sampler is mmengine's `InfiniteSampler`.
        **kwargs: Arguments of `IterBasedTrainLoop`, such as ``max_iters`` and ``val_interval``.

    Raises:
        ValueError: If `dataloader` is not a config, or has another sampler or a batch sampler.
    """

    def __init__(self, runner: Runner, dataloader: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(runner, _seed_draws(dataloader, runner.seed), **kwargs)
        runner.register_hook(_PendingValidation(), priority='LOWEST')

    @property
    def validates(self) -> bool:
        """Whether a validation follows the iterations so far."""
        self._decide_current_val_interval()
        due = self.iter % self.val_interval == 0 or self.iter == self.max_iters
        return self.runner.val_loop is not None and due and self.iter >= max(self.val_begin, 1)

    def run_iter(self, data_batch: Any) -> None:
        """Run one iteration with generators that start from the seed, the rank and the iteration."""
        _start_generators(self.runner.seed, get_rank(), self.iter)
        super().run_iter(data_batch)


class _PendingValidation(Hook):
    """Begins a resumed training with the validation that belongs behind its checkpoint."""

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.train_loop.validates:
            runner.val_loop.run()


class DrawSampler(InfiniteSampler):
    """An `InfiniteSampler` that says with every index which draw it is, as ``D * L + I``."""

    def _infinite_indices(self) -> Iterator[int]:
        for draw, index in enumerate(super()._infinite_indices()):
            yield draw * self.size + index


class SeededDataset(Dataset):
    """The samples of `dataset`, each loaded with generators that start from `seed` and the draw.

    Args:
        dataset: Config of a data set of length ``L``, whose transforms are random.
        seed: Seed of the training.
    """

    def __init__(self, dataset: Mapping[str, Any], seed: int) -> None:
        self.seed = as_integer('seed', seed)
        self.dataset = DATASETS.build(dataset)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Class names and palette, which mmengine asks the data set for."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: int) -> Any:
        """Return sample ``I`` of draw ``D``, where `item` is ``D * L + I`` as `DrawSampler` yields it."""
        draw, index = divmod(item, len(self))
        _start_generators(self.seed, draw)
        return self.dataset[index]


def _seed_draws(dataloader: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the config `dataloader` with a `SeededDataset` around its data set and a `DrawSampler` as its sampler."""
    if not isinstance(dataloader, Mapping):
        raise ValueError(f'ResumableTrainLoop: train_dataloader must be a config, got {type(dataloader).__name__}')
    sampler = dict(dataloader.get('sampler') or {})
    if sampler.get('type') not in ('InfiniteSampler', InfiniteSampler):
        raise ValueError(
            f"ResumableTrainLoop: train_dataloader.sampler must be of type 'InfiniteSampler', got {sampler}"
        )
    for key in ('batch_sampler', 'num_batch_per_epoch'):
        if dataloader.get(key) is not None:
            raise ValueError(f'ResumableTrainLoop: train_dataloader must have no {key}, got {dataloader[key]}')
    dataset = {'type': SeededDataset, 'dataset': dataloader['dataset'], 'seed': seed}
    return {**dataloader, 'dataset': dataset, 'sampler': {**sampler, 'type': DrawSampler}}


def _start_generators(*entropy: int) -> None:
    """Seed the generators of `random`, NumPy and torch, on every device, from a few whole numbers."""
    python, numpy, torch_ = np.random.SeedSequence(entropy).generate_state(3).tolist()
    random.seed(python)
    np.random.seed(numpy)
    torch.manual_seed(torch_)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's `CheckpointHook`, which leaves a whole checkpoint to resume from whenever the training is killed.

    mmengine's removes an outdated checkpoint before it writes the new one, and writes files in place: a training with
    ``max_keep_ckpts=1`` that is killed in between has lost everything, one that is killed while it writes the
    checkpoint of its best validation again, or the name in ``last_checkpoint``, cannot be resumed without help. Here
    each file is written under another name first, ``last_checkpoint`` names a checkpoint once it is there, and only
    then are outdated ones removed; what a killed training could not remove, the resumed one does.

    (Under `FlexibleRunner` the strategy writes the files, in place; the order is the same.)

    Args:
        **options: Options of `CheckpointHook`. The folder is one of the local file system.

    Raises:
        ValueError: If an option names another file system.
    """

    def __init__(self, **options: Any) -> None:
        for name in ('backend_args', 'file_client_args'):
            if options.get(name) is not None:
                raise ValueError(f'AtomicCheckpointHook: {name} must be None, for local files, got {options[name]!r}')
        if '://' in str(options.get('out_dir')):
            raise ValueError(f'AtomicCheckpointHook: out_dir must be a local folder, got {options["out_dir"]!r}')
        super().__init__(**options | {'backend_args': {'backend': 'atomic'}})

    def before_train(self, runner: Runner) -> None:
        """Remove what a killed training has left."""
        super().before_train(runner)
        if is_main_process():
            remove_partials(Path(self.out_dir))
            remove_partials(Path(runner.work_dir))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """Write the checkpoint, name it, and remove outdated ones, in this order."""
        name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir, name))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        outdated = self._outdate(runner, step)
        options = {'save_optimizer': self.save_optimizer, 'save_param_scheduler': self.save_param_scheduler}
        options |= {'by_epoch': self.by_epoch, 'backend_args': self.backend_args, **self.args}
        runner.save_checkpoint(self.out_dir, name, meta=meta, **options)
        if is_main_process():
            with replacing(Path(runner.work_dir, 'last_checkpoint')) as partial:
                partial.write_text(self.last_ckpt)
            for path in outdated:
                path.unlink(missing_ok=True)

    def _outdate(self, runner: Runner, step: int) -> list[Path]:
        """Note that a checkpoint is to be kept, and return those that are not any more."""
        if self.max_keep_ckpts <= 0:
            return []
        kept = [other for other in self.keep_ckpt_ids if other != step] + [step]
        # With the outdated ones: a training that is resumed from this checkpoint removes them if they are there.
        runner.message_hub.update_info('keep_ckpt_ids', kept)
        self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        return [Path(self.out_dir, self.filename_tmpl.format(other)) for other in kept[: -self.max_keep_ckpts]]


@register_backend('atomic')
class AtomicLocalBackend(LocalBackend):
    """mmengine's local file system, where a file of bytes is whole or not there."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file under another name, which becomes `filepath` once it is complete."""
        with replacing(Path(filepath)) as partial:
            super().put(obj, partial)
