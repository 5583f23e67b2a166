"""Learning rates that configs train with, by mmengine's schedulers, beside the published ones, by their formulas.

`T` is the number of iterations, `t` an iteration, counted from 0.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, init_default_scope

from antialias_plugins.palette import GRAY, NETWORKS

# `_2xb7-80k_` in the name of a config
SCHEDULE = re.compile(r'_\d+xb\d+-([^_]+)_')


@dataclass(frozen=True)
class PublishedSchedule:
    """One rule for all parameters, times a factor for each of two parts.

    Args:
        source: Repository.
        policy: 'poly', ``(1 - t/T)^0.9``; 'cosine', ``(1 + cos(pi t/T)) / 2``; or 'step', a tenth after each `step`.
        iterations: Length of the training.
        head: Rate of everything but the backbone.
        backbone: Rate of the backbone.
        warmup: Iterations of a linear rise from 0. The clock of the policy starts after it, and does not stop earlier
            for that: the training ends on the way down.
        step: Iterations between two steps.
    """

    source: str
    policy: str
    iterations: int
    head: float
    backbone: float
    warmup: int = 0
    step: int = 0

    def rates(self) -> dict[str, np.ndarray]:
        """The rate of each iteration, for 'backbone' and 'head'. Shape of each: T, float64."""
        time = np.arange(self.iterations, dtype=np.float64)
        clock = np.maximum(time - self.warmup, 0)
        factor = {
            'poly': (1 - clock / self.iterations) ** 0.9,
            'cosine': (1 + np.cos(np.pi * clock / self.iterations)) / 2,
            'step': 0.1 ** (clock // max(self.step, 1)),
        }[self.policy]
        if self.warmup:
            factor = np.where(time < self.warmup, time / self.warmup, factor)
        return {'backbone': self.backbone * factor, 'head': self.head * factor}


_DDAC = 'MaureenZOU/Adaptive-anti-Aliasing'
_DEEPLABV3 = 'chenxi116/DeepLabv3.pytorch'
_XCEPTION = 'jfzhang95/pytorch-deeplab-xception'

# By the folder of a config and the schedule in its name.
PUBLISHED = {
    ('ddac', '80k'): PublishedSchedule(_DDAC, 'poly', 80000, 0.00875, 0.000875, warmup=8000),
    ('ddac', '30k'): PublishedSchedule(_DDAC, 'poly', 30000, 0.01, 0.001, warmup=2000),
    ('deeplabv3_gnws', '33k'): PublishedSchedule(_DEEPLABV3, 'poly', 33100, 0.007, 0.007),
    ('deeplabv3_gnws', '72k'): PublishedSchedule(_DEEPLABV3, 'poly', 71520, 0.1, 0.01),
    ('deeplab_xception', '33k'): PublishedSchedule(_XCEPTION, 'poly', 33100, 0.07, 0.007),
    ('deeplab_xception', '33k-step'): PublishedSchedule(_XCEPTION, 'step', 33100, 0.07, 0.007, step=11034),
    ('deeplab_xception', '33k-cosine'): PublishedSchedule(_XCEPTION, 'cosine', 33100, 0.07, 0.007),
    ('deeplab_xception', '37k'): PublishedSchedule(_XCEPTION, 'poly', 37200, 0.1, 0.01),
    ('deeplab_xception', '296k'): PublishedSchedule(_XCEPTION, 'poly', 295720, 0.1, 0.01),
    ('dsrl', '744k'): PublishedSchedule('Dootmaan/DSRL', 'poly', 744000, 0.05, 0.005),
}


def published_schedule(config: str | Path) -> PublishedSchedule | None:
    """Return the schedule that a config reproduces, judged by its path, if there is one."""
    path = Path(config)
    found = SCHEDULE.search(path.stem)
    return PUBLISHED.get((path.parent.name, found.group(1))) if found else None


def learning_rates(config: str | Path | Config) -> dict[str, np.ndarray]:
    """Run the schedulers of a config through a whole training, without the training.

    The network is built without memory for its weights, to ask the config's optimizer which parameters learn at which
    rate. Then mmengine's schedulers take their step after each iteration, as in a training.

    Args:
        config: A config, or its path, whose schedulers count iterations.

    Returns:
        The rate of each iteration, by the parts of the network that learn at it: 'backbone', or
        'backbone, decode_head' if both do. Shape of each: T, float64.

    Raises:
        ValueError: If the config does not train by iterations, or a scheduler counts epochs.

    Example:
        ``learning_rates('configs/ddac/deeplabv3plus_r101-d16_2xb7-80k_cityscapes-768x768.py')`` has the keys 'backbone'
        and 'decode_head', each with 80000 rates.
    """
    config = config if isinstance(config, Config) else Config.fromfile(config)
    iterations = config.train_cfg.get('max_iters')
    if iterations is None:
        raise ValueError(f'train_cfg must have max_iters, got {dict(config.train_cfg)}')
    init_default_scope(config.get('default_scope', 'mmseg'))
    groups = _rates_of_parts(config)
    # A scheduler treats all parameters of a rate alike, so one of each will do.
    optimizer = torch.optim.SGD([{'params': [torch.zeros(1)], 'lr': rate} for rate in groups.values()], lr=0.0)
    schedulers = [_build_scheduler(scheduler, optimizer, iterations) for scheduler in _listed(config)]
    # Schedulers expect it before their own.
    optimizer.step()
    rates = np.empty((len(groups), iterations))
    for iteration in range(iterations):
        rates[:, iteration] = [group['lr'] for group in optimizer.param_groups]
        for scheduler in schedulers:
            scheduler.step()
    return dict(zip(groups, rates, strict=True))


def _rates_of_parts(config: Config) -> dict[str, float]:
    """The rate at which each part of the network starts; parts of the same rate are named together."""
    with torch.device('meta'):
        model = MODELS.build(config.model)
    # Without what needs a GPU, such as mixed precision, and does not change a rate.
    kept = ('optimizer', 'paramwise_cfg', 'constructor')
    options = {key: value for key, value in config.optim_wrapper.items() if key in kept}
    optimizer = build_optim_wrapper(model, ConfigDict(type='OptimWrapper', **options)).optimizer
    rate_of = {id(parameter): group['lr'] for group in optimizer.param_groups for parameter in group['params']}
    parts: dict[float, dict[str, None]] = {}
    for name, parameter in model.named_parameters():
        if id(parameter) in rate_of:
            parts.setdefault(rate_of[id(parameter)], {})[name.partition('.')[0]] = None
    return {', '.join(names): rate for rate, names in parts.items()}


def _listed(config: Config) -> list[Mapping[str, Any]]:
    schedulers = config.get('param_scheduler') or []
    return list(schedulers) if isinstance(schedulers, list) else [schedulers]


def _build_scheduler(scheduler: Mapping[str, Any], optimizer: torch.optim.Optimizer, iterations: int) -> Any:
    if scheduler.get('by_epoch', True):
        raise ValueError(f'param_scheduler must count iterations, got by_epoch=True in {scheduler["type"]}')
    return PARAM_SCHEDULERS.build({'end': iterations, **scheduler, 'optimizer': optimizer})


_COLUMNS, _POINTS = 2, 1000


@dataclass(frozen=True)
class ScheduleCurves:
    """The curves of one panel.

    Attributes:
        title: What trains.
        rates: Learning rates, by the part of the network that learns at them. Shape of each: T.
        published: Published rates, by part. Shape of each: any number of iterations.
    """

    title: str
    rates: Mapping[str, np.ndarray]
    published: Mapping[str, np.ndarray] = field(default_factory=dict)


def plot_learning_rates(panels: Sequence[ScheduleCurves]) -> Figure:
    """Draw a panel per training: a broad gray line for each published rate, a thin colored one for ours on it.

    Args:
        panels: The trainings.

    Raises:
        ValueError: If there is no panel, or one has no rates or more than six.
    """
    if not panels:
        raise ValueError('panels must hold at least one training, got none')
    for panel in panels:
        if not 1 <= len(panel.rates) <= len(NETWORKS):
            raise ValueError(f'rates of {panel.title!r} must be one to {len(NETWORKS)}, got {len(panel.rates)}')
    rows = ceil(len(panels) / _COLUMNS)
    columns = ceil(len(panels) / rows)
    figure = Figure(figsize=(3.3 * columns + 0.4, 2.4 * rows + 0.4), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, panel)
    figure.supxlabel('iteration / 1000', fontsize=10)
    figure.supylabel('learning rate', fontsize=10)
    return figure


def _draw(axis: Axes, panel: ScheduleCurves) -> None:
    for index, rates in enumerate(panel.published.values()):
        axis.plot(*_thinned(rates), color=GRAY, alpha=0.45, linewidth=5, label='_' * (index > 0) + 'published')
    for (name, rates), color in zip(panel.rates.items(), NETWORKS, strict=False):
        axis.plot(*_thinned(rates), color=color, linewidth=1.4, label=fill(name, 24))
    axis.set_title(fill(panel.title, 40), fontsize=9)
    axis.set(xlim=(0, None), ylim=(0, None))
    axis.spines[['top', 'right']].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.legend(frameon=False, fontsize=8)


def _thinned(rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Enough iterations, in thousands, to draw a line through, and their rates; the first and the last are there."""
    iterations = np.unique(np.linspace(0, len(rates) - 1, _POINTS).round().astype(int))
    return iterations / 1000, rates[iterations]
