"""Hooks of a training: the norms of adaptive filters, the temperature of polyphase sampling, mean losses."""

from collections.abc import MutableMapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce, is_distributed
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.layers import AdaptiveBlurPool2d, scheduled_temperature, set_temperature
from antialias_plugins.layers.learnable_polyphase_pool import check_schedule


@HOOKS.register_module()
class FilterNormHook(Hook):
    """Trains the norms of all `AdaptiveBlurPool2d`, although ``norm_eval`` keeps those of the backbone in eval mode.

    Detectors start from ImageNet's weights and keep their statistics, because batches are small. That suits weights of
    an antialiased network, which have statistics of the filters too. Filters that are new to a network have none to
    keep: without this hook their logits would never be normalized.

    Raises:
        ValueError: Before the training, if the model has no such filter.

    Example:
        In a config::

            custom_hooks = [dict(type='FilterNormHook')]
    """

    def before_train(self, runner: Runner) -> None:
        """Find the filters."""
        self._filters = [module for module in runner.model.modules() if isinstance(module, AdaptiveBlurPool2d)]
        if not self._filters:
            raise ValueError('FilterNormHook: model must have an AdaptiveBlurPool2d, got none')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Train the norms; each call of the model's ``train()`` has put them in eval mode again."""
        for pool in self._filters:
            pool.bn.train()


@HOOKS.register_module()
class GumbelTemperatureHook(Hook):
    """Sets the temperature of every `LearnablePolyphasePool2d` by a schedule of milestones, and logs it.

    It is a function of the epoch or iteration alone, so a resumed training goes on where it was. The log shows it as
    ``temperature``, the visualizer's backends as ``train/temperature``.

    Args:
        milestones: Epochs or iterations, increasing.
        temperatures: The temperature at each milestone; between two it is interpolated, before the first and behind the
            last it is constant.
        shape: ``'linear'``, ``'exponential'`` or ``'steps'``.
        by_epoch: Whether milestones are epochs, which takes an `EpochBasedTrainLoop`, or iterations.

    Raises:
        ValueError: If an argument is out of range; before the training, if its loop counts no epochs, or the model has
            no such layer.

    Example:
        In a config, the schedule with which LPS was trained on ImageNet for 90 epochs::

            custom_hooks = [
                dict(type='GumbelTemperatureHook', milestones=[0, 62, 82, 90], temperatures=[1.0, 0.5, 0.05, 0.01])
            ]
    """

    def __init__(
        self, milestones: Sequence[int], temperatures: Sequence[float], shape: str = 'linear', by_epoch: bool = True
    ) -> None:
        check_schedule(milestones, temperatures, shape)
        check_flag('by_epoch', by_epoch)
        self.milestones, self.temperatures, self.shape, self.by_epoch = milestones, temperatures, shape, by_epoch

    def before_train(self, runner: Runner) -> None:
        """Check that there is something to schedule, and something to count."""
        if self.by_epoch and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                'GumbelTemperatureHook: by_epoch must be False in a training that counts iterations, '
                f'got True with {type(runner.train_loop).__name__}'
            )
        if not set_temperature(runner.model, self.temperatures[0]):
            raise ValueError('GumbelTemperatureHook: model must have a LearnablePolyphasePool2d, got none')

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the temperature of the epoch."""
        if self.by_epoch:
            self._set(runner, runner.epoch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Set the temperature of the iteration."""
        if not self.by_epoch:
            self._set(runner, runner.iter)

    def _set(self, runner: Runner, step: int) -> None:
        temperature = scheduled_temperature(step, self.milestones, self.temperatures, self.shape)
        runner.message_hub.update_scalar('train/temperature', temperature)
        set_temperature(runner.model, temperature)


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
