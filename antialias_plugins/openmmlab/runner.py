"""mmengine's runner on machines without an accelerator, where mmseg's ``--amp`` and ``--launcher`` work too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.optim import OptimWrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import nn


@RUNNERS.register_module()
class PortableRunner(Runner):
    """mmengine's `Runner`, which on the CPU trains in several processes and in mixed precision as well.

    With an accelerator it is `Runner`. Without one, where mmengine would refuse,

    - several processes (``--launcher pytorch``) are joined by the backend of ``env_cfg.dist_cfg``, which must be one
      for the CPU: ``--cfg-options env_cfg.dist_cfg.backend=gloo``;
    - ``AmpOptimWrapper`` (``--amp``) becomes `BFloat16OptimWrapper`.

    The tools of the OpenMMLab packages take it from the config: ``runner_type = 'PortableRunner'``.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """Join the processes before mmengine does, which would first ask each for its GPU."""
        if self.distributed and get_device() == 'cpu' and not is_distributed():
            torch.distributed.init_process_group(**env_cfg['dist_cfg'])
        super().setup_env(env_cfg)

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
