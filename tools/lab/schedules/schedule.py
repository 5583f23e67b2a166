"""The learning rates that a config trains with, from mmengine's own schedulers.

`T` is the number of iterations.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, init_default_scope


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
