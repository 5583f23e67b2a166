"""Cases of single layers at the shapes at which networks filter, and of the adaptive one beside `torch.compile`.

Shapes: C channels, H W sides, K taps per axis, S stride.
"""

import dataclasses
import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from antialias_plugins.layers import AdaptiveBlurPool2d, BlurPool2d, MaxBlurPool2d
from lab.benchmark.case import OURS, Case, Implementation
from lab.benchmark.implementations import PlainBlurPool2d, UnfoldAdaptiveBlurPool2d, blur_pools


@dataclass(frozen=True)
class Place:
    """A map that a network filters.

    Attributes:
        channels: C.
        height: H.
        width: W.
    """

    channels: int
    height: int
    width: int

    @property
    def large(self) -> bool:
        """Whether it belongs to DeepLabV3+ at 512x1024 rather than to a ResNet at 224x224."""
        return self.height != self.width


# A stage of a ResNet filters its block's branch and its block's skip connection.
RESNET = [Place(c, 56, 56) for c in (64, 128, 256)]
RESNET += [Place(c, 28, 28) for c in (128, 256, 512)]
RESNET += [Place(c, 14, 14) for c in (256, 512, 1024)]
DEEPLAB = [Place(c, 128, 256) for c in (128, 256)]
DEEPLAB_DILATED = [Place(c, 64, 128) for c in (256, 512, 1024)]
STEMS = [Place(64, 112, 112), Place(64, 256, 512)]
SMALL = [Place(64, 14, 14), Place(512, 7, 7)]  # of one image, where calls cost as much as sums
# For a ResNet at 224x224, and for DeepLabV3+ at 512x1024.
COMPILED = ((256, 56, 56), (1024, 14, 14)), ((128, 128, 256),)


def layer_cases(batches: tuple[int, int] = (8, 2), quick: bool = False) -> Iterator[Case]:
    """Give the grid of every layer.

    Args:
        batches: Images for a ResNet at 224x224, and for DeepLabV3+ at 512x1024.
        quick: Only the smallest map of each group, and one image.

    Yields:
        One case after the other, the cases of a group together.
    """
    grids: list[tuple[Callable[..., Case], list[Place], dict]] = [
        (_blur, [*SMALL, *RESNET, *DEEPLAB], {'filt_size': 3}),
        (_blur, [*SMALL, *RESNET, *DEEPLAB], {'filt_size': 4}),
        (_blur, [RESNET[-1], DEEPLAB[-1]], {'filt_size': 3, 'padding_mode': 'zeros'}),
        (_blur, DEEPLAB_DILATED, {'filt_size': 3, 'stride': 1}),
        (_max_blur, STEMS, {'window': 3, 'filt_size': 3}),
        (_max_blur, STEMS, {'window': 3, 'filt_size': 4}),
        (_max_blur, STEMS, {'window': 2, 'filt_size': 4}),
        (_adaptive, [*RESNET, *DEEPLAB], {}),
        (_adaptive, DEEPLAB_DILATED, {'stride': 1}),
    ]
    for make, places, arguments in grids:
        if quick:
            places = [min(places, key=lambda place: place.channels * place.height * place.width)]
        for place in places:
            batch = 1 if quick or place in SMALL else batches[place.large]
            yield make(place, (batch, place.channels, place.height, place.width), **arguments)


def _blur(place: Place, shape: tuple[int, ...], filt_size: int, stride: int = 2, padding_mode: str = 'reflect') -> Case:
    channels = place.channels
    others = tuple(blur_pools(channels, filt_size, stride, padding_mode))
    ours = Implementation(OURS, lambda: BlurPool2d(channels, filt_size, stride, padding_mode))
    padding = (filt_size - 1) // 2
    floors = (
        Implementation('average pool', lambda: nn.AvgPool2d(filt_size, stride, padding), floor=True),
        Implementation('depthwise convolution', lambda: _depthwise(channels, filt_size, stride), floor=True),
    )
    zeros = ' zeros' if padding_mode == 'zeros' else ''
    group = f'blur_pool2d K={filt_size} S={stride}{zeros}'
    return _case(group, shape, others[0].build, (ours, *others, *floors))


def _max_blur(place: Place, shape: tuple[int, ...], window: int, filt_size: int) -> Case:
    channels, padding = place.channels, window // 3
    blurs = blur_pools(channels, filt_size, 2, 'reflect')
    ours = Implementation(OURS, lambda: MaxBlurPool2d(window, 2, padding, filt_size))
    others = [
        Implementation(f'max, then {blur.name}', functools.partial(_max_then, window, padding, blur.build))
        for blur in blurs
    ]
    floor = Implementation('max pool', lambda: nn.MaxPool2d(window, 2, padding), floor=True)
    reference = functools.partial(_max_then, window, padding, lambda: PlainBlurPool2d(channels, filt_size))
    group = f'max_blur_pool2d {window}x{window} K={filt_size} S=2'
    return _case(group, shape, reference, (ours, *others, floor), distinct_in_windows)


def _adaptive(place: Place, shape: tuple[int, ...], stride: int = 2) -> Case:
    return adaptive_case(shape, stride)


def adaptive_case(shape: tuple[int, ...], stride: int = 2, filt_size: int = 3, groups: int = 8) -> Case:
    """Compare the adaptive filter with the same that unfolds at full resolution; its logits are the floor.

    Args:
        shape: N C H W.
        stride: S.
        filt_size: K.
        groups: G.
    """
    channels, logits = shape[1], groups * filt_size**2

    def ours() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return AdaptiveBlurPool2d(channels, filt_size, stride, groups)

    def unfold() -> nn.Module:
        layer = UnfoldAdaptiveBlurPool2d(channels, filt_size, stride, groups)
        layer.load_state_dict(ours().state_dict())
        return layer

    convolution = functools.partial(nn.Conv2d, channels, logits, filt_size, stride, padding=filt_size // 2, bias=False)
    implementations = (
        Implementation(OURS, ours),
        Implementation('unfold', unfold),
        Implementation('logits convolution', convolution, floor=True),
    )
    return _case(f'adaptive_blur_pool2d K={filt_size} S={stride}', shape, unfold, implementations)


def _case(
    group: str,
    shape: tuple[int, ...],
    reference: Callable[[], nn.Module],
    implementations: tuple[Implementation, ...],
    draw: Callable[[tuple[int, ...]], Tensor] | None = None,
) -> Case:
    make_input = functools.partial(draw or _normal, shape)
    return Case('layers', group, 'x'.join(map(str, shape)), make_input, reference, implementations)


def distinct_in_windows(shape: tuple[int, ...]) -> Tensor:
    """Draw a map in which no 3x3 window holds a value twice, so that every maximum has one place in every type.

    The values are multiples of 1/16 between -4 and 4, exact in bfloat16: the remainder of their index modulo 9 tells
    the position modulo 3.
    """
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.arange(shape[-2]) % 3, torch.arange(shape[-1]) % 3
    remainder = 3 * rows[:, None] + columns
    return (9 * torch.randint(0, 14, shape, generator=generator) + remainder - 63) / 16


def _normal(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _depthwise(channels: int, filt_size: int, stride: int) -> nn.Module:
    padding = (filt_size - 1) // 2
    layer = nn.Conv2d(channels, channels, filt_size, stride, padding, groups=channels, bias=False)
    return layer.requires_grad_(False)


def _max_then(window: int, padding: int, blur: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(nn.MaxPool2d(window, 1, padding), blur())


def compiled_cases(batches: tuple[int, int] = (8, 2), quick: bool = False) -> Iterator[Case]:
    """Give three shapes of the grid; nothing where there is no C++ compiler. It takes minutes, which are not counted.

    Args:
        batches: Images for a ResNet at 224x224, and for DeepLabV3+ at 512x1024.
        quick: One small shape.

    Yields:
        One case after the other.
    """
    if not any(map(shutil.which, ('c++', 'g++', 'clang++', 'cl'))):
        return
    shapes = [(batch, *place) for batch, places in zip(batches, COMPILED, strict=True) for place in places]
    for shape in [(1, 16, 8, 8)] if quick else shapes:
        yield _with_compiled(adaptive_case(shape))


def _with_compiled(case: Case) -> Case:
    ours, *_, floor = case.implementations
    compiled = Implementation('torch.compile', lambda: _compiled(ours.build))
    implementations = (ours, compiled, floor)
    return dataclasses.replace(case, suite='compiled', group=f'compiled {case.group}', implementations=implementations)


def _compiled(build: Callable[[], nn.Module]) -> nn.Module:
    module = build()
    module.compile(fullgraph=True)
    return module
