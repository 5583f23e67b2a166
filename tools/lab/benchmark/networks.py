"""Cases of whole networks and of a segmentor's training step, against the network before its conversion."""

import functools
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins.checkpoints import copy_weights
from antialias_plugins.conversion import convert_antialias
from lab.benchmark.case import OURS, Case, Implementation
from lab.benchmark.implementations import PlainBlurPool2d, UnfoldAdaptiveBlurPool2d

BASELINE = 'baseline'
PLAIN_LAYERS = {'lpf3': (PlainBlurPool2d, 3), 'lpf4': (PlainBlurPool2d, 4), 'ddac3': (UnfoldAdaptiveBlurPool2d, 3)}
# Of the segmentor, as in the configs: with an adaptive filter the dilated stages keep theirs.
OPTIONS = {'lpf3': {}, 'ddac3': {'dilated': 'blur'}}
CLASSES = 19


def network_cases(batch: int = 8, quick: bool = False) -> Iterator[Case]:
    """Give torchvision's ResNet-18 and ResNet-50 with each filter, as they are and with ``recompute=True``, at 224x224.

    They are converted with ``maxpool='published'``, so that the published package computes the same.

    Args:
        batch: Images.
        quick: One image of 64x64, and ResNet-18 only.

    Yields:
        One case after the other.
    """
    shape = (1, 3, 64, 64) if quick else (batch, 3, 224, 224)
    for name in ('resnet18',) if quick else ('resnet18', 'resnet50'):
        for pool in ('lpf4', 'ddac3'):
            yield _case(name, pool, shape)
            yield _recomputed_case(name, pool, shape)


def plainly(pool: str, model: nn.Module, **options: Any) -> nn.Module:
    """Convert a network in place with the plain layer of a shorthand, and return it.

    Args:
        pool: ``'lpf3'``, ``'lpf4'`` or ``'ddac3'``.
        model: The network.
        **options: Of `convert_antialias`.
    """
    layer, filt_size = PLAIN_LAYERS[pool]
    return convert_antialias(model, lambda channels, stride: layer(channels, filt_size, stride), **options)


def _case(name: str, pool: str, shape: tuple[int, ...]) -> Case:
    ours, plain = functools.partial(_ours, name, pool), functools.partial(_plain, name, pool)

    def published() -> nn.Module:
        model = getattr(import_module('antialiased_cnns'), name)(filter_size=int(pool[-1]))
        copy_weights(ours(), model)
        return model

    implementations = [Implementation(OURS, ours), Implementation('plain layers', plain)]
    if pool.startswith('lpf') and find_spec('antialiased_cnns'):
        implementations.append(Implementation('antialiased-cnns', published))
    return _network_case(name, f'{name} {pool}', shape, plain, implementations)


def _recomputed_case(name: str, pool: str, shape: tuple[int, ...]) -> Case:
    implementations = [
        Implementation(OURS, functools.partial(_ours, name, pool, recompute=True)),
        Implementation('without recompute', functools.partial(_ours, name, pool)),
    ]
    return _network_case(
        name, f'{name} {pool} recompute', shape, functools.partial(_plain, name, pool), implementations
    )


def _network_case(
    name: str,
    group: str,
    shape: tuple[int, ...],
    reference: Callable[[], nn.Module],
    implementations: Iterable[Implementation],
) -> Case:
    """The implementations, with the network before its conversion as the floor."""
    floor = Implementation(BASELINE, functools.partial(_baseline, name), floor=True)
    image, size = functools.partial(_image, shape), 'x'.join(map(str, shape))
    return Case('networks', group, size, image, reference, (*implementations, floor), network=True)


def _ours(name: str, pool: str, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return convert_antialias(_baseline(name), pool, maxpool='published', **options)


def _plain(name: str, pool: str) -> nn.Module:
    model = plainly(pool, _baseline(name), maxpool='published')
    model.load_state_dict(_ours(name, pool).state_dict())
    return model


def _baseline(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(import_module('torchvision.models'), name)()


def _image(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


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
        yield _step_case(pool, shape)


def _step_case(pool: str, shape: tuple[int, ...]) -> Case:
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
    images = functools.partial(_image, shape)
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
