"""The hook that lets adaptive filters learn their statistics in a network whose norms are frozen."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from antialias_plugins.layers import AdaptiveBlurPool2d


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
