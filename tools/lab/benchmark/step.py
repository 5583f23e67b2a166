"""One training step of mmseg's DeepLabV3+, ResNet-50, output stride 8."""

import functools
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins.conversion import convert_antialias
from lab.benchmark.case import OURS, Case, Implementation
from lab.benchmark.networks import BASELINE, plainly

# As in the configs: with an adaptive filter the dilated stages keep theirs.
OPTIONS = {'lpf3': {}, 'ddac3': {'dilated': 'blur'}}
CLASSES = 19


class SegmentorLoss(nn.Module):
    """A segmentor with fixed labels: its forward pass is the loss of images, whose backward pass completes the step.

    The optimizer's step is left out. It is the same for all, so with it every ratio would be nearer to 1.

    Args:
        segmentor: A model of mmseg.
        labels: (N, H, W), integers.
    """

    def __init__(self, segmentor: nn.Module, labels: Tensor) -> None:
        super().__init__()
        self.segmentor = segmentor
        self.register_buffer('labels', labels)
        self._pixels = import_module('mmengine.structures').PixelData
        self._sample = import_module('mmseg.structures').SegDataSample

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to the sum of the losses of both heads."""
        samples = [self._sample(gt_sem_seg=self._pixels(data=labels[None])) for labels in self.labels]
        losses = self.segmentor.loss(images, samples)
        return sum(loss for name, loss in losses.items() if 'loss' in name)


def step_cases(quick: bool = False) -> Iterator[Case]:
    """Give the step with each filter on two crops of 256x512; nothing where mmseg is not installed.

    Args:
        quick: Two crops of 32x64.

    Yields:
        One case after the other.
    """
    if find_spec('mmseg') is None:
        return
    shape = (2, 3, 32, 64) if quick else (2, 3, 256, 512)
    for pool in OPTIONS:
        yield _case(pool, shape)


def _case(pool: str, shape: tuple[int, ...]) -> Case:
    def ours() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return convert_antialias(_segmentor(), pool, **OPTIONS[pool])

    def plain() -> nn.Module:
        model = plainly(pool, _segmentor(), **OPTIONS[pool])
        model.load_state_dict(ours().state_dict())
        return model

    def loss(build: Any) -> nn.Module:
        return SegmentorLoss(build(), _labels(shape))

    implementations = (
        Implementation(OURS, functools.partial(loss, ours)),
        Implementation('plain layers', functools.partial(loss, plain)),
        Implementation(BASELINE, functools.partial(loss, _segmentor), floor=True),
    )
    group, size = f'deeplabv3plus_r50-d8 {pool}', 'x'.join(map(str, shape))
    images = functools.partial(_images, shape)
    return Case('step', group, size, images, functools.partial(loss, plain), implementations, network=True)


def _segmentor() -> nn.Module:
    config = import_module('mmengine.config').Config
    registry = import_module('mmseg.registry').MODELS
    root = Path(import_module('mmseg').__file__).parent / '.mim/configs'
    model = config.fromfile(root / '_base_/models/deeplabv3plus_r50-d8.py').model
    model.pop('pretrained')  # weights that only `init_weights` would load
    scope = import_module('mmengine.registry').DefaultScope.overwrite_default_scope('mmseg')
    with scope, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return import_module('mmengine.model').revert_sync_batchnorm(registry.build(model))


def _labels(shape: tuple[int, ...]) -> Tensor:
    size = (shape[0], *shape[2:])
    return torch.randint(0, CLASSES, size, generator=torch.Generator().manual_seed(0))


def _images(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
