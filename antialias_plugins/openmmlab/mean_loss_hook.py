"""The hook that logs the loss of the whole batch."""

from collections.abc import MutableMapping
from typing import Any

import torch
from mmengine.dist import all_reduce, is_distributed
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class MeanLossHook(Hook):
    """Logs the mean of the losses over all processes.

    mmengine logs those of the first process, which has seen its own part of the batch only.

    Example:
        In a config::

            custom_hooks = [dict(type='MeanLossHook')]
    """

    priority = 'HIGHEST'  # before RuntimeInfoHook passes them on

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: MutableMapping[str, torch.Tensor] | None = None,
    ) -> None:
        """Replace each output of the iteration by its mean over the processes."""
        if outputs and is_distributed():
            for name, value in outputs.items():
                mean = value.detach().clone()
                all_reduce(mean, 'mean')
                outputs[name] = mean
