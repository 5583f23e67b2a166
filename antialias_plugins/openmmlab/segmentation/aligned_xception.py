"""The aligned Xception of DeepLabV3+, as timm builds it."""

from typing import Any

import timm
from timm.layers import convert_sync_batchnorm
from torch import Tensor
from torch.nn.functional import relu
from torch.nn.modules.batchnorm import _BatchNorm

from antialias_plugins.openmmlab.segmentation.norm_eval import NormEvalModule


class AlignedXception(NormEvalModule):
    """Aligned Xception of `DeepLabV3+ <https://arxiv.org/abs/1802.02611>`_ (Chen et al., 2018), from timm.

    It returns the first block's map too, through a ReLU, as pytorch-deeplab-xception does for its decoder; mmseg's
    ``TIMMBackbone`` (``features_only=True``) gives the 256 channels that the paper takes from the second block instead.
    The keys are timm's.

    Args:
        depth: 41, 65 or 71.
        output_stride: 8, 16 or 32.
        norm_cfg: ``dict(type='BN')``, the default, or ``dict(type='SyncBN')``, either with ``requires_grad``.
        norm_eval: Whether batch norms keep their statistics in training.
        pretrained: Whether to download timm's ImageNet weights. They expect images with mean and standard deviation
            127.5 in every channel.
        init_cfg: Initialization; default: Kaiming's, by fan-out, or none with `pretrained`.

    Shape:
        (N, 3, H, W) to (N, 128, ⌈H/4⌉, ⌈W/4⌉) and (N, 2048, ⌈H/output_stride⌉, ⌈W/output_stride⌉).

    Raises:
        ValueError: If an argument is none of these, or `pretrained` and `init_cfg` compete.
    """

    def __init__(
        self,
        depth: int = 65,
        output_stride: int = 16,
        norm_cfg: dict[str, Any] | None = None,
        norm_eval: bool = False,
        pretrained: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        _check(depth, output_stride, norm_cfg or {}, pretrained, init_cfg)
        if init_cfg is None and not pretrained:
            init_cfg = [dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer='_BatchNorm')]
        super().__init__(init_cfg)
        network = timm.create_model(
            f'xception{depth}', pretrained=pretrained, output_stride=output_stride, num_classes=0, global_pool=''
        )
        norm_cfg = {'type': 'BN', 'requires_grad': True} | (norm_cfg or {})
        if norm_cfg['type'] == 'SyncBN':
            network = convert_sync_batchnorm(network)  # torch's would lose the activations that timm keeps in norms
        self.stem, self.blocks = network.stem, network.blocks
        self.norm_eval = norm_eval
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.requires_grad_(norm_cfg['requires_grad'])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the low-level map and the last one."""
        low, *others = self.blocks
        x = low_map = low(self.stem(x))
        for block in others:
            x = block(x)
        return relu(low_map), x


def _check(depth: int, output_stride: int, norm_cfg: dict[str, Any], pretrained: bool, init_cfg: Any) -> None:
    if depth not in (41, 65, 71):
        raise ValueError(f'depth must be 41, 65 or 71, got {depth}')
    if output_stride not in (8, 16, 32):
        raise ValueError(f'output_stride must be 8, 16 or 32, got {output_stride}')
    if norm_cfg.get('type', 'BN') not in ('BN', 'SyncBN') or not norm_cfg.keys() <= {'type', 'requires_grad'}:
        raise ValueError(f"norm_cfg must have type 'BN' or 'SyncBN' and requires_grad only, got {norm_cfg}")
    if pretrained and init_cfg is not None:
        raise ValueError(f'init_cfg must be left out with pretrained=True, got {init_cfg}')
