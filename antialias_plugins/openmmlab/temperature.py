"""The hook that lowers the temperature of learnable polyphase sampling during a training."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from antialias_plugins.layers import scheduled_temperature, set_temperature
from antialias_plugins.layers.temperature import check_schedule


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
        self,
        milestones: Sequence[int],
        temperatures: Sequence[float],
        shape: str = 'linear',
        by_epoch: bool = True,
    ) -> None:
        check_schedule(milestones, temperatures, shape)
        self.milestones, self.temperatures, self.shape = milestones, temperatures, shape
        self.by_epoch = by_epoch

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
