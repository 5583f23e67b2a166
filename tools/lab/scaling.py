"""Losses of the same training on several numbers of processes, and their figure.

`T` is the number of iterations.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.config import Config

from antialias_plugins.palette import BLUE, GRAY, ORANGE, VERMILION
from lab.training import Training, read_scalars

_BATCH_NORMS = ('BN', 'SyncBN')


def without_batch_statistics(config: Config, groups: int = 16) -> Config:
    """Return a config of a segmentor with nothing that depends on the other images of its batch, or on a dice.

    The batch norms of the backbone, those of predicted filters among them, keep the statistics that they have
    (``norm_eval``); those of heads become group norms; there is no dropout; and the loss is a mean over all pixels,
    not over labelled ones, whose number differs between the parts of a batch. Then the loss of a batch is the mean of
    the losses of its equal parts.

    Args:
        config: A config of mmseg; it stays as it is.
        groups: Groups of the group norms.
    """
    config = Config(config.to_dict())
    config.model.backbone.norm_eval = True
    for part in _parts(config.model):
        if part is not config.model.backbone and (part.get('norm_cfg') or {}).get('type') in _BATCH_NORMS:
            part.norm_cfg = {'type': 'GN', 'num_groups': groups}
            part.dropout_ratio = 0
            if part.get('type', '').startswith('Projected'):
                part.projection_dropout = 0
        if part.get('type') == 'CrossEntropyLoss':
            part.avg_non_ignore = False
    return config


def _parts(config: Any) -> Iterator[Any]:
    """All dicts inside a config."""
    if isinstance(config, dict):
        yield config
        for value in config.values():
            yield from _parts(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _parts(value)


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


_COLORS, _STYLES = (BLUE, VERMILION, ORANGE), ('-', '--', ':')
# Differences of 0 are drawn at the bottom.
_LEAST = 1e-9


@dataclass(frozen=True)
class ProcessCurves:
    """The curves of one network.

    Attributes:
        title: Its name.
        losses: Losses by the number of processes, 1 among them, for each variant of the training. Shape of each: T.
    """

    title: str
    losses: Mapping[str, Mapping[int, np.ndarray]]


def plot_processes(panels: Sequence[ProcessCurves]) -> Figure:
    """Draw a column per network: a row of losses for each variant, and one of relative differences.

    The losses of one process are a broad gray line, on which the others lie.

    Args:
        panels: The networks, all with the same variants.

    Raises:
        ValueError: If there is no network, their variants differ, or one lacks the losses of one process.
    """
    if not panels:
        raise ValueError('panels must hold at least one network, got none')
    variants = list(panels[0].losses)
    for panel in panels:
        if list(panel.losses) != variants:
            raise ValueError(f'losses of {panel.title!r} must be of {variants}, got {list(panel.losses)}')
        for variant, losses in panel.losses.items():
            if 1 not in losses:
                raise ValueError(f'losses of {panel.title!r}, {variant}, must have those of one process, got none')
    rows = len(variants) + 1
    figure = Figure(figsize=(3.2 * len(panels) + 0.6, 2.1 * rows + 0.4), layout='constrained')
    axes = figure.subplots(rows, len(panels), squeeze=False, sharex=True, sharey='row')
    for column, panel in zip(axes.T, panels, strict=True):
        column[0].set_title(panel.title, fontsize=10)
        for axis, variant in zip(column[:-1], variants, strict=True):
            _draw_losses(axis, panel.losses[variant])
        _draw_differences(column[-1], panel.losses)
    for axis, label in zip(axes[:, 0], [*(f'loss,\n{name}' for name in variants), 'relative difference'], strict=True):
        axis.set_ylabel(label, fontsize=9)
    for axis in axes[:-1, 0]:
        axis.set_ylim(0, None)  # of its row, once all is drawn
    for axis in axes.flat:
        axis.spines[['top', 'right']].set_visible(False)
        axis.tick_params(labelsize=8)
    for axis in axes[:, 0]:
        axis.legend(frameon=False, fontsize=7)
    figure.supxlabel('iteration', fontsize=10)
    return figure


def _draw_losses(axis: Axes, losses: Mapping[int, np.ndarray]) -> None:
    axis.plot(*_points(losses[1]), color=GRAY, alpha=0.45, linewidth=5, label='1 process')
    for index, (count, values) in enumerate(_others(losses)):
        style = {'color': _COLORS[index], 'linestyle': _STYLES[index]}
        axis.plot(*_points(values), **style, linewidth=1.4, label=f'{count} processes')


def _draw_differences(axis: Axes, losses: Mapping[str, Mapping[int, np.ndarray]]) -> None:
    for index, (variant, curves) in enumerate(losses.items()):
        for color, (count, values) in zip(_COLORS, _others(curves), strict=False):
            differences = np.maximum(np.abs(values / curves[1] - 1), _LEAST)
            style = {'color': color, 'linestyle': _STYLES[index]}
            axis.plot(*_points(differences), **style, linewidth=1.2, label=f'{count}, {variant}')
    axis.set_yscale('log')
    axis.set_ylim(_LEAST / 2, 10)


def _others(losses: Mapping[int, np.ndarray]) -> list[tuple[int, np.ndarray]]:
    return [(count, losses[count]) for count in sorted(losses) if count != 1]


def _points(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(1, len(values) + 1), values
