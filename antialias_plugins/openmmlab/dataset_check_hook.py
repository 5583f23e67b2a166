"""The hook that checks the data before the first iteration."""

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

from antialias_plugins.openmmlab.dataset_check import check_config, check_dataset
from antialias_plugins.openmmlab.labels import single_datasets


@HOOKS.register_module()
class DatasetCheckHook(Hook):
    """Checks mmseg's data sets before a training or a test starts, and says nothing if all is well.

    All files must exist and not be empty; ``sample`` pictures of each data set are read with their labels, which must
    have an id of a class, or ``ignore_index``, in every pixel. Other data sets pass unchecked.

    With `PortableRunner` the check comes before mmseg builds the data set, so a missing folder or list, or an empty
    split, is explained as well. With mmengine's own runner those errors stay mmseg's, and the rest is the same.

    Args:
        sample: Number of pictures of each data set to read, evenly spread. At least 1.

    Raises:
        ValueError: If ``sample`` is below 1; before the first iteration, if something is wrong with the data.

    Example:
        In a config::

            runner_type = 'PortableRunner'
            custom_hooks = [dict(type='DatasetCheckHook')]
    """

    priority = 'HIGHEST'

    def __init__(self, sample: int = 16) -> None:
        if sample < 1:
            raise ValueError(f'sample must be at least 1, got {sample}')
        self.sample = sample
        self._checked: set[str] = set()

    def before_build(self, runner: Runner, name: str, dataloader: Any) -> None:
        """Check the data sets of a loader that is a config still; `PortableRunner` calls this."""
        if name in self._checked or not isinstance(dataloader, Mapping):
            return
        self._check(name, check_config, dataloader['dataset'], self.sample)
        self._checked.add(name)

    def before_run(self, runner: Runner) -> None:
        """Check the data sets that another runner has built already."""
        for name in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{name}_loop')
            if f'{name}_dataloader' not in self._checked and isinstance(loop, BaseLoop):
                self._check_built(f'{name}_dataloader', loop.dataloader.dataset)

    def _check_built(self, name: str, dataset: Any) -> None:
        from mmseg.datasets import BaseSegDataset

        for single in single_datasets(dataset):
            if isinstance(single, BaseSegDataset):
                self._check(name, check_dataset, single, self.sample)
        self._checked.add(name)

    @staticmethod
    def _check(name: str, check: Any, *args: Any) -> None:
        try:
            check(*args)
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from error
