"""The networks that are recorded, with random weights in which every branch counts."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import timm
import torch
from torch import nn

from antialias_plugins.conversion import convert_antialias

CONFIG = Path(__file__).parents[3] / 'configs/deeplabv3plus/deeplabv3plus_r18-d16_1xb4-250_toyscapes-96x192.py'
CLASSES = 10
# exact shift equivariance takes both
POLYPHASE = {'stem': True, 'padding': 'circular'}


def build_network(name: str, pool: str | None) -> nn.Module:
    """Build and convert a network, in eval mode.

    Its norms get random weights, because zeros, with which timm starts the last one of every block, would hide what a
    branch computes.

    Args:
        name: one of `NETWORKS`.
        pool: shorthand of the filters; None for none.

    Raises:
        ValueError: if there is no such network, or it needs mmseg or the configs of a checkout, which are not there.
    """
    if name not in NETWORKS:
        raise ValueError(f'network must be one of {", ".join(NETWORKS)}, got {name!r}')
    torch.manual_seed(0)
    model = NETWORKS[name]()
    if pool is not None:
        options = POLYPHASE if pool.startswith(('aps', 'lps', 'tips')) else {}
        convert_antialias(model, pool, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return model.eval()


@torch.no_grad()
def settle_norms(model: nn.Module, images: torch.Tensor) -> None:
    """Let the batch norms take their statistics from images, in place."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # the plain mean over what it sees
    model(images)
    for norm in norms:
        norm.eval()


def _build_segmentor() -> nn.Module:
    """DeepLabV3+, whose forward returns logits at a quarter of the size."""
    if not CONFIG.exists():
        raise ValueError(f"segmentors need the configs of a checkout, there is no '{CONFIG}'")
    try:
        from mmseg.apis import init_model
    except ImportError as error:
        raise ValueError(f'segmentors need mmseg, which is not installed: {error}') from error
    return init_model(str(CONFIG), device='cpu')


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    name: partial(timm.create_model, name, num_classes=CLASSES)
    for name in ('resnet18', 'resnet50', 'mobilenetv2_100', 'densenet121')
} | {'DeepLabV3+ R18': _build_segmentor}
