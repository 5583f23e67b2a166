"""The losses of a training on any number of processes.

`T` is the number of iterations.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from lab.scalars import read_scalars
from lab.training import Training


def losses_by_processes(config: Config, folder: Path, counts: Sequence[int]) -> dict[int, np.ndarray]:
    """Train a config on several numbers of processes, with the same batches, and return its losses.

    Args:
        config: A config whose training loop is `ResumableTrainLoop`: each sample is the same on whatever process it
            is loaded.
        folder: Where the trainings leave their work dirs. What is there already is not trained again.
        counts: Numbers of processes, which divide the batch of the config.

    Returns:
        The loss of each iteration, a mean over the processes, by their number. Shape of each: T.

    Raises:
        ValueError: If a number does not divide the batch.
    """
    size = config.train_dataloader.batch_size
    for count in counts:
        if count < 1 or size % count:
            raise ValueError(f'counts must divide the batch of {size}, got {count}')
    return {count: _train(_on_processes(config, count), folder / f'{count}', count) for count in counts}


def largest_difference(losses: Mapping[int, np.ndarray]) -> float:
    """Return the largest relative difference of a loss to that of one process at the same iteration."""
    return max(float(np.abs(values / losses[1] - 1).max()) for values in losses.values())


def _on_processes(config: Config, count: int) -> Config:
    config = Config(config.to_dict())
    config.train_dataloader.batch_size //= count
    config.env_cfg.dist_cfg = {'backend': 'gloo'}
    config.log_processor.window_size = 1
    config.default_hooks.logger.interval = 1
    config.custom_hooks = [*config.get('custom_hooks', []), {'type': 'MeanLossHook'}]
    for part in ('cfg', 'dataloader', 'evaluator'):
        config[f'val_{part}'] = None
    return config


def _train(config: Config, folder: Path, count: int) -> np.ndarray:
    training = Training(config, folder, count)
    if training.resumes_from < training.iterations:
        training.finish()
    losses = {entry['step']: entry['loss'] for entry in read_scalars(folder) if 'loss' in entry}
    return np.array([losses[step] for step in range(1, training.iterations + 1)])
