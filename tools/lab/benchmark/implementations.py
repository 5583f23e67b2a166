"""Other implementations of the layers: plain ones, as the definitions read, and those of other packages.

The plain ones are references in float64, and competitors. Packages that are not installed are left out, and named.

Shapes: N batch, C channels, H W sides, K taps per axis, S stride, G groups.
"""

import math
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from timm.layers import BlurPool2d as TimmBlurPool2d
from torch import Tensor, nn

from lab.benchmark.case import Implementation


class PlainBlurPool2d(nn.Module):
    """Pad, then a convolution of every channel with the outer product of binomial coefficients.

    Args:
        channels: C.
        filt_size: K.
        stride: S, or (vertical, horizontal).
        padding_mode: ``'reflect'``, ``'replicate'``, ``'circular'`` or, for zeros, ``'constant'``.
    """

    def __init__(
        self, channels: int, filt_size: int = 4, stride: int | tuple[int, int] = 2, padding_mode: str = 'reflect'
    ) -> None:
        super().__init__()
        taps = torch.tensor([math.comb(filt_size - 1, k) / 2 ** (filt_size - 1) for k in range(filt_size)])
        self.register_buffer('filt', torch.outer(taps, taps).repeat(channels, 1, 1, 1), persistent=False)
        self.border = [(filt_size - 1) // 2, filt_size // 2] * 2
        self.stride = stride
        self.padding_mode = padding_mode

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        padded = F.pad(input, self.border, self.padding_mode)
        return F.conv2d(padded, self.filt, stride=self.stride, groups=input.shape[1])


class UnfoldAdaptiveBlurPool2d(nn.Module):
    """Every position gets its K * K taps and a copy of its window; then every S-th sum is kept.

    That is the formula of `Delving Deeper into Anti-aliasing in ConvNets <https://arxiv.org/abs/2008.09604>`_ (Zou et
    al., 2020) read from left to right, at the full resolution of the input. Its state dict is that of our layer.

    Args:
        channels: C.
        filt_size: K, odd.
        stride: S, or (vertical, horizontal).
        groups: G.
    """

    def __init__(self, channels: int, filt_size: int = 3, stride: int | tuple[int, int] = 2, groups: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, groups * filt_size**2, filt_size, bias=False)
        self.bn = nn.BatchNorm2d(groups * filt_size**2)
        self.filt_size, self.groups = filt_size, groups
        self.steps = stride if isinstance(stride, tuple) else (stride, stride)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        sides = input.shape[2:]
        padded = F.pad(input, [self.filt_size // 2] * 4, 'reflect')
        weights = self.bn(self.conv(padded)).unflatten(1, (self.groups, -1)).softmax(2)  # N G KK H W
        windows = F.unfold(padded, self.filt_size).unflatten(2, sides)  # N (C KK) H W
        windows = windows.unflatten(1, (self.groups, -1, self.filt_size**2))  # N G C/G KK H W
        filtered = (windows * weights.unsqueeze(2)).sum(3).flatten(1, 2)
        return filtered[..., :: self.steps[0], :: self.steps[1]]


OPTIONAL = {'antialiased_cnns': 'antialiased-cnns', 'kornia': 'kornia'}  # module: distribution


def describe_competitors() -> dict[str, str]:
    """Return the version of each optional package, or ``'not installed'``."""
    return {name: version(name) if find_spec(module) else 'not installed' for module, name in OPTIONAL.items()}


class KorniaBlurPool2d(nn.Module):
    """kornia's function as a module; it pads with zeros and nothing else.

    Args:
        filt_size: K.
        stride: S.
    """

    def __init__(self, filt_size: int, stride: int) -> None:
        super().__init__()
        self.filters = import_module('kornia.filters')
        self.filt_size, self.stride = filt_size, stride

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / S), ceil(W / S))."""
        return self.filters.blur_pool2d(input, self.filt_size, self.stride)


def blur_pools(channels: int, filt_size: int, stride: int, padding_mode: str) -> Iterator[Implementation]:
    """Give the other implementations of `blur_pool2d` that are installed and compute it for these arguments.

    timm pads both sides alike, which for an even K is another function. kornia pads with zeros alone.

    Args:
        channels: C.
        filt_size: K.
        stride: S.
        padding_mode: ``'reflect'`` or ``'zeros'``.

    Yields:
        One implementation after the other, the plain one first.
    """
    zeros = padding_mode == 'zeros'
    mode = 'constant' if zeros else padding_mode
    yield Implementation('pad, conv2d', lambda: PlainBlurPool2d(channels, filt_size, stride, mode))
    if filt_size % 2:
        yield Implementation('timm', lambda: TimmBlurPool2d(channels, filt_size, stride, mode))
    if find_spec('antialiased_cnns'):
        package, name = import_module('antialiased_cnns'), 'zero' if zeros else padding_mode
        yield Implementation('antialiased-cnns', lambda: package.BlurPool(channels, name, filt_size, stride))
    if zeros and find_spec('kornia'):
        yield Implementation('kornia', lambda: KorniaBlurPool2d(filt_size, stride))
