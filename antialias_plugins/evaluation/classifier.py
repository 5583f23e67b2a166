"""Classifier as it is evaluated: its data config, its logits, and the logit margins by which it decides.

Letters: images ``B``, classes ``N``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor, inf
from operator import lt
from typing import Any

import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn

from antialias_plugins.functional.arguments import check_choice, check_flag, check_module
from antialias_plugins.metrics.inputs import as_integer, as_list, check_number

Transform = Callable[[Image.Image], Tensor]

INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic', 'box', 'hamming', 'lanczos')

# The coarsest arithmetic that a dtype stands for, relative to the largest logit: float32 may be computed as TF32.
RESOLUTION = {torch.float32: 2**-10, torch.float16: 2**-10, torch.bfloat16: 2**-7}


@dataclass(frozen=True)
class DataConfig:
    """Size, resizing and normalisation of a network's images, by default those of timm's data config.

    Attributes:
        size: Side of the network's square input in pixels.
        resize: Side to which an image is resized before its centre is cropped; which side, ``crop_mode`` says.
        interpolation: timm's name of the interpolation.
        crop_mode: timm's name of the way to resize and crop.
        mean: Mean of the training's pixels by channel, in [0, 1].
        std: Their standard deviation.
    """

    size: int
    resize: int
    interpolation: str
    crop_mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, network: nn.Module, **overrides: Any) -> 'DataConfig':
        """Return the data config with which timm's own ``validate.py`` evaluates ``network``.

        Args:
            network: A timm network.
            **overrides: ``img_size``, ``crop_pct``, ``interpolation``, ``mean``, ``std``, ``crop_mode`` in its place;
                ``None`` for what is to stay.

        Raises:
            ValueError: If the network does not take square RGB images.
        """
        check_module('network', network)
        if overrides.get('img_size') is not None:
            as_integer('img_size', overrides['img_size'], 1)
        if overrides.get('crop_pct') is not None:
            check_number('crop_pct', overrides['crop_pct'], 'above 0 and at most 1', lambda share: 0 < share <= 1)
        _check_channels(*((0.5,) * 3 if overrides.get(name) is None else overrides[name] for name in ('mean', 'std')))
        for name, choices in {'interpolation': INTERPOLATIONS, 'crop_mode': ('center', 'squash', 'border')}.items():
            if overrides.get(name) is not None:
                check_choice(name, overrides[name], choices)
        config: Mapping[str, Any] = resolve_data_config(overrides, model=network, use_test_size=True)
        channels, height, width = config['input_size']
        if channels != 3 or height != width:
            raise ValueError(f'network must take square RGB images, got an input of {channels}x{height}x{width}')
        resize = floor(height / config['crop_pct'])
        if resize < height:
            raise ValueError(f'crop_pct must be above 0 and at most 1, got {config["crop_pct"]}')
        kept = {name: config[name] for name in ('interpolation', 'crop_mode')}
        return cls(height, resize, **kept, mean=tuple(config['mean']), std=tuple(config['std']))

    def resize_for(self, size: int) -> int:
        """Return the side to which an image is resized for a crop of side ``size``: `resize`, or more if need be."""
        return max(self.resize, size)

    def crop(self, size: int) -> Transform:
        """Return the transform of an image to its 8-bit central crop, ``(3, size, size)``."""
        return create_transform(
            (3, size, size),
            use_prefetcher=True,  # 8 bits, without normalisation
            interpolation=self.interpolation,
            mean=self.mean,
            std=self.std,
            crop_mode=self.crop_mode,
            # timm rounds size / crop_pct down; half a pixel keeps that away from the next lower number.
            crop_pct=size / (self.resize_for(size) + 0.5),
        )


class Classifier:
    """A network in evaluation mode that takes 8-bit images and decides the same whatever the batch size.

    The logits of one image depend, in their last bits, on the other images of its batch, because libraries choose
    another order of summation for another batch size. Where two classes are nearly tied, that decides. So an image
    whose margin is below the resolution of the arithmetic is computed once more, on its own, and that counts. The
    differences that were seen are 10 to 1000 times smaller than this bound.

    Args:
        network: Maps ``(B, 3, H, W)`` to ``(B, N)`` and keeps ``N`` as ``num_classes``, as timm's networks do. It is
            moved to ``device`` and put into evaluation mode.
        mean: Mean of the training's pixels by channel, in [0, 1].
        std: Their standard deviation.
        device: Where to compute.
        dtype: ``torch.float16`` or ``torch.bfloat16`` for mixed precision, by default ``torch.float32``.
        channels_last: Whether to compute in the memory format of that name.

    Raises:
        ValueError: If ``dtype`` is not one of the three, or there is no such device.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str = 'cpu',
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
    ) -> None:
        check_module('network', network)
        check_flag('channels_last', channels_last)
        _check_channels(mean, std)
        if not isinstance(dtype, torch.dtype) or dtype not in RESOLUTION:
            raise ValueError(f'dtype must be one of {", ".join(map(str, RESOLUTION))}, got {dtype}')
        self.device = as_device(device)
        self.dtype = dtype
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(self.device, memory_format=self.memory_format).eval()
        self._mean, self._std = (
            255 * torch.tensor(values, device=self.device).view(-1, 1, 1) for values in (mean, std)
        )

    @torch.inference_mode()
    def __call__(self, images: Tensor, margins: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the logits of ``images``, computed again on its own where a margin is too small to decide.

        Args:
            images: The images, ``(B, 3, H, W)``, 8 bits per channel.
            margins: Maps logits, ``(B, N)``, to the margins that decide, ``(B, any)``; see `top_margin`.

        Returns:
            Logits, ``(B, N)``, float32, on the CPU.
        """
        logits = self._forward(images)
        if len(images) > 1:
            bound = RESOLUTION[self.dtype] * logits.abs().amax(1)
            for close in (margins(logits).abs().amin(1) < bound).nonzero().flatten().tolist():
                logits[close] = self._forward(images[close : close + 1])[0]
        return logits

    def normalize(self, images: Tensor) -> Tensor:
        """Return 8-bit images as the network reads them, ``(…, 3, H, W)``, float32, where it computes."""
        return (images.to(self.device, torch.float32, non_blocking=True) - self._mean).div_(self._std)

    def _forward(self, images: Tensor) -> Tensor:
        pixels = self.normalize(images)
        mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, dtype=self.dtype if mixed else None, enabled=mixed):
            return self.network(pixels.contiguous(memory_format=self.memory_format)).float().cpu()


def as_device(device: torch.device | str) -> torch.device:
    """Return a device.

    Raises:
        ValueError: If this machine has no such device.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:  # torch built without CUDA asserts
        reason = str(error).partition('\n')[0]
        raise ValueError(f'device must be one that this machine has, got {device}: {reason}') from error


def top_margin(logits: Tensor) -> Tensor:
    """Return by how much the largest logit exceeds the second, ``(B, N)`` → ``(B, 1)``."""
    first, second = logits.topk(2).values.unbind(1)
    return (first - second)[:, None]


def label_margins(logits: Tensor, labels: Tensor, ranks: tuple[int, ...] = (1, 5)) -> Tensor:
    """Return by how much the label's logit exceeds the largest of the others, the fifth largest, and so on.

    A margin for rank ``k`` that is above zero says that the label is among the top ``k``.

    Args:
        logits: Logits of the images, ``(B, N)``.
        labels: Class of each image, ``(B,)``.
        ranks: The ranks, each below ``N``; a column of the result, ``(B, len(ranks))``, for each.

    Example:
        >>> label_margins(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([2]), ranks=(1, 2))
        tensor([[-1.,  1.]])
    """
    others = logits.scatter(1, labels[:, None], -torch.inf).topk(max(ranks)).values
    return logits.gather(1, labels[:, None]) - others[:, [rank - 1 for rank in ranks]]


def _check_channels(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise unless both hold a number for each of three channels; deviations above 0."""
    rules = {'mean': (mean, 'a number for each channel', -inf), 'std': (std, 'above 0 for each channel', 0)}
    for name, (values, rule, least) in rules.items():
        if len(as_list(name, values, 'three numbers')) != 3:
            raise ValueError(f'{name} must hold three numbers, got {values!r}')
        for value in values:
            check_number(name, value, rule, partial(lt, least))
