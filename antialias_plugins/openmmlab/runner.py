"""mmengine's runner on machines without an accelerator, where mmseg's ``--amp`` and ``--launcher`` work too.

It also tells hooks of the data before the data sets are built.
"""

import atexit
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.optim import OptimWrapper
from mmengine.registry import RUNNERS
from mmengine.runner import BaseLoop, Runner
from torch import nn


@RUNNERS.register_module()
class PortableRunner(Runner):
    """mmengine's `Runner`, which on the CPU trains in several processes and in mixed precision as well.

    With an accelerator it is `Runner`. Without one, where mmengine would refuse,

    - several processes (``--launcher pytorch``) are joined by the backend of ``env_cfg.dist_cfg``, which must be one
      for the CPU: ``--cfg-options env_cfg.dist_cfg.backend=gloo``;
    - ``AmpOptimWrapper`` (``--amp``) becomes `BFloat16OptimWrapper`.

    Hooks that have a method ``before_build(runner, name, dataloader)`` are called before a loop builds its data loader,
    with the name of its config and the config: earlier than ``before_run``, which finds the data sets built.

    The tools of the OpenMMLab packages take it from the config: ``runner_type = 'PortableRunner'``.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """Join the processes before mmengine does, which would first ask each for its GPU."""
        if self.distributed and get_device() == 'cpu' and not is_distributed():
            torch.distributed.init_process_group(**env_cfg['dist_cfg'])
            # gloo's threads need the interpreter's lock to drop their last work: one that waits for it while the
            # interpreter ends aborts a training that is done
            atexit.register(time.sleep, 0.5)
        super().setup_env(env_cfg)

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the training loop, after the hooks have seen its data."""
        self.call_hook('before_build', name='train_dataloader', dataloader=self._train_dataloader)
        return super().build_train_loop(loop)

    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the validation loop, after the hooks have seen its data."""
        self.call_hook('before_build', name='val_dataloader', dataloader=self._val_dataloader)
        return super().build_val_loop(loop)

    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the test loop, after the hooks have seen its data."""
        self.call_hook('before_build', name='test_dataloader', dataloader=self._test_dataloader)
        return super().build_test_loop(loop)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap the model for several processes, without the number of a GPU."""
        if self.distributed and get_device() == 'cpu':
            model_wrapper_cfg = {
                'broadcast_buffers': False,
                'find_unused_parameters': self.cfg.get('find_unused_parameters', False),
                **(model_wrapper_cfg or {}),
                'device_ids': None,
            }
        return super().wrap_model(model_wrapper_cfg, model)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Build the optimizer wrapper, with the CPU's kind of mixed precision in place of the GPU's."""
        if isinstance(optim_wrapper, dict) and optim_wrapper.get('type') == 'AmpOptimWrapper' and get_device() == 'cpu':
            kept = {key: value for key, value in optim_wrapper.items() if key not in ('loss_scale', 'dtype')}
            optim_wrapper = kept | {'type': BFloat16OptimWrapper}
        return super().build_optim_wrapper(optim_wrapper)


class BFloat16OptimWrapper(OptimWrapper):
    """Mixed precision of the CPU: autocast to bfloat16, whose range is that of float32, so that no loss is scaled."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass of a training step under autocast."""
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield
