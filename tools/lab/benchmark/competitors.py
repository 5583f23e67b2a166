"""Layers of other packages that compute what ours do. Those that are not installed are left out, and named."""

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

from timm.layers import BlurPool2d as TimmBlurPool2d
from torch import Tensor, nn

from lab.benchmark.case import Implementation
from lab.benchmark.plain import PlainBlurPool2d

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
