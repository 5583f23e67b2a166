"""Batch norms that keep the statistics they were loaded with."""

from mmengine.model import BaseModule
from torch.nn.modules.batchnorm import _BatchNorm


class NormEvalModule(BaseModule):
    """A backbone whose batch norms stay in eval mode while it trains, if its attribute ``norm_eval`` is set.

    It is the convention of mmseg's own backbones. With ``norm_cfg=dict(type='BN', requires_grad=False)`` beside it the
    norms are frozen altogether.
    """

    norm_eval = False

    def train(self, mode: bool = True) -> 'NormEvalModule':
        """Set the mode of all modules but frozen norms, which stay in eval mode."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
