"""The table of methods, and factories of filters from shorthands, config dicts and callables."""

import copy
import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from antialias_plugins.functional.arguments import described
from antialias_plugins.layers.adaptive_blur_pool import AdaptiveBlurPool2d
from antialias_plugins.layers.adaptive_polyphase_pool import AdaptivePolyphasePool2d
from antialias_plugins.layers.blur_pool import BlurPool2d
from antialias_plugins.layers.learnable_polyphase_pool import LearnablePolyphasePool2d
from antialias_plugins.layers.low_cut_pool import FrequencyLowCutPool2d
from antialias_plugins.layers.max_blur_pool import MaxBlurPool2d
from antialias_plugins.layers.polyphase_pool import PolyphasePool2d
from antialias_plugins.layers.translation_invariant_polyphase_pool import TranslationInvariantPolyphasePool2d

Stride = tuple[int, int]
Pool = str | Mapping[str, Any] | Callable[[int, Stride], nn.Module]

_SIZES = (1, 2, 3, 4, 5, 6, 7)


@dataclass(frozen=True)
class Method:
    """A way to downsample.

    Attributes:
        layer: its module, called with ``(channels, stride=stride, **arguments)``.
        paper: where it is from, in reStructuredText.
        sizes: the numbers of taps worth suggesting behind its shorthand; empty if it takes none.
        fixed: arguments that the shorthand stands for: the largest that divide the channels, up to these.
        defaults: arguments that `timm.create_model` passes on, beside ``padding_mode``, with their defaults there.
        alone: whether its shorthand without a number is right as well.
    """

    layer: type[nn.Module]
    paper: str
    sizes: tuple[int, ...] = _SIZES
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False

    @property
    def chooses_phase(self) -> bool:
        """Whether the pixels that are kept depend on the map."""
        return issubclass(self.layer, PolyphasePool2d)


# by shorthand
METHODS: dict[str, Method] = {
    'lpf': Method(
        BlurPool2d,
        '`Making Convolutional Networks Shift-Invariant Again <https://arxiv.org/abs/1904.11486>`_ (Zhang, 2019)',
    ),
    'ddac': Method(
        AdaptiveBlurPool2d,
        '`Delving Deeper into Anti-aliasing in ConvNets <https://arxiv.org/abs/2008.09604>`_ (Zou et al., 2020)',
        sizes=(3, 5, 7),
        fixed={'groups': 8},
        defaults={'groups': 8, 'softmax': 'group'},
    ),
    'flc': Method(
        FrequencyLowCutPool2d,
        '`FrequencyLowCut Pooling <https://arxiv.org/abs/2204.00491>`_ (Grabinski et al., 2022)',
        sizes=(),
        alone=True,
    ),
    'aps': Method(
        AdaptivePolyphasePool2d,
        '`Truly shift-invariant convolutional neural networks <https://arxiv.org/abs/2011.14214>`_ '
        '(Chaman and Dokmanić, 2021)',
        defaults={'norm': 'l2', 'adaptive': None},
    ),
    'lps': Method(
        LearnablePolyphasePool2d,
        '`Learnable Polyphase Sampling for Shift Invariant and Equivariant Convolutional Networks '
        '<https://arxiv.org/abs/2210.08001>`_ (Rojas-Gomez et al., 2022)',
        defaults={'hid_channels': None, 'adaptive': None},
    ),
    'tips': Method(
        TranslationInvariantPolyphasePool2d,
        '`Improving Shift Invariance in Convolutional Neural Networks with Translation Invariant Polyphase Sampling '
        '<https://arxiv.org/abs/2404.07410>`_ (Saha and Gokhale, 2025)',
        alone=True,
    ),
}
_LAYERS = {method.layer.__name__: method.layer for method in METHODS.values()}


@dataclass(frozen=True)
class PoolFactory:
    """Builds the filter of one place: ``factory(channels, stride)``. Its string is how a user would write it.

    Attributes:
        build: called with the number of channels and ``(vertical, horizontal)`` stride.
        name: shorthand, ``Layer(argument=value)`` or qualified name of a callable.
        fixed: arguments that the shorthand stands for.
    """

    build: Callable[[int, Stride], nn.Module]
    name: str
    fixed: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __call__(self, channels: int, stride: Stride) -> nn.Module:
        """Build the filter for a map of `channels` channels; what others have written is tried on a small map.

        Raises:
            ValueError: if it is no module, fails there, or does not subsample by the stride.
        """
        layer = self.build(channels, stride)
        if getattr(self.build, 'args', ())[:1] not in [(ours,) for ours in _LAYERS.values()]:
            _check_filter(self.name, layer, channels, stride)
        return layer

    def remark(self, layer: nn.Module) -> str:
        """Say in what a layer differs from what the shorthand stands for, because of its channels."""
        return ', '.join(
            f'{getattr(layer, it)} {it}' for it, value in self.fixed.items() if getattr(layer, it) != value
        )

    def __str__(self) -> str:
        """Return the name."""
        return self.name


def _check_filter(name: str, layer: nn.Module, channels: int, stride: Stride) -> None:
    """Raise unless a filter takes (1, C, H, W) to (1, C, ceil(H / S), ceil(W / S)); it stays as it is."""
    if not isinstance(layer, nn.Module):
        raise ValueError(f'pool must build a torch.nn.Module, {name} built {layer!r}')
    like = next((it for it in (*layer.parameters(), *layer.buffers()) if it.is_floating_point()), None)
    placement = {'device': 'cpu'} if like is None else {'device': like.device, 'dtype': like.dtype}
    sides = 16 * stride[0] + 1, 16 * stride[1] + 2
    twin, shape = copy.deepcopy(layer).eval(), (1, channels, *(-(-n // s) for n, s in zip(sides, stride, strict=True)))
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = twin(torch.zeros(1, channels, *sides, **placement))
    except Exception as error:  # of a stranger's code: any
        raise ValueError(f'pool must filter maps, {name} fails with {type(error).__name__}: {error}') from error
    if not isinstance(output, Tensor) or tuple(output.shape) != shape:
        raise ValueError(
            f'pool must take a map {(1, channels, *sides)} with stride {stride} to {shape}, {name} gives '
            f'{described(output)}'
        )


def resolve_pool(pool: Pool) -> PoolFactory:
    """Make a factory of filters from any way to write one.

    Args:
        pool: one of

            - a shorthand, with k up to 7: ``'lpf<k>'`` for `BlurPool2d` of k taps, ``'ddac<k>'`` for
              `AdaptiveBlurPool2d` of k taps and 8 groups, or as many below as divide the channels, ``'flc'`` for
              `FrequencyLowCutPool2d`, ``'aps<k>'``, ``'lps<k>'`` and ``'tips<k>'`` for `AdaptivePolyphasePool2d`,
              `LearnablePolyphasePool2d` and `TranslationInvariantPolyphasePool2d` behind a low-pass filter of k taps
              (1 is none), ``'tips'`` for ``'tips1'``;
            - a dict whose ``type`` is the name of one of these layers or a module class, and whose other entries are
              passed to it; the class is called with ``(channels, stride=stride, **others)``;
            - such a class by itself;
            - any other callable, called with ``(channels, stride)``.

    Returns:
        A factory. It can be pickled if `pool` can.

    Raises:
        ValueError: if the name is unknown, or the arguments do not fit the layer.
        TypeError: if `pool` is none of the above.

    Example:
        >>> factory = resolve_pool(dict(type='AdaptiveBlurPool2d', filt_size=3, groups=4))
        >>> print(factory)
        AdaptiveBlurPool2d(filt_size=3, groups=4)
        >>> factory(64, (2, 2)).groups
        4
    """
    if isinstance(pool, PoolFactory):
        return pool
    if isinstance(pool, str):
        return _from_shorthand(pool)
    if isinstance(pool, Mapping):
        return _from_config(dict(pool))
    if inspect.isclass(pool) and issubclass(pool, nn.Module):
        return _from_config({'type': pool})
    if callable(pool):
        return PoolFactory(pool, getattr(pool, '__qualname__', repr(pool)))
    raise TypeError(f'pool must be a shorthand, a dict with a type, or a callable, got {pool!r}')


def _from_shorthand(name: str) -> PoolFactory:
    match = re.fullmatch(r'([a-z]+)(\d*)', name)
    method = METHODS.get(match[1]) if match else None
    if method is None or not (method.sizes if match[2] else method.alone):
        sized = {word: method for word, method in METHODS.items() if method.sizes}
        alone = {word: method for word, method in METHODS.items() if method.alone}
        words = [f'{word}<k> ({method.layer.__name__})' for word, method in sized.items()]
        words += [f'{word} ({method.layer.__name__})' for word, method in alone.items()]
        known = [f'{word}{size}' for word, method in sized.items() for size in method.sizes]
        raise ValueError(f'pool must be one of {", ".join(words)}, got {name!r}{suggest(name, [*known, *alone])}')
    taps = {'filt_size': int(match[2])} if match[2] else {}
    if taps and taps['filt_size'] > method.sizes[-1]:
        written = f'dict(type={method.layer.__name__!r}, filt_size={match[2]})'
        raise ValueError(
            f'pool must have at most {method.sizes[-1]} taps as a shorthand, got {name!r}; {written} has more'
        )
    factory = _layer_factory(method.layer, taps | dict(method.fixed), name)
    return replace(
        factory, build=functools.partial(_build_fitting, method.layer, taps, method.fixed), fixed=method.fixed
    )


def _from_config(config: dict[str, Any]) -> PoolFactory:
    if 'type' not in config:
        raise ValueError(f'pool must have a type, one of {", ".join(_LAYERS)} or a module class, got {config}')
    kind = config.pop('type')
    layer = _LAYERS.get(kind, kind) if isinstance(kind, str) else kind
    if layer in (MaxBlurPool2d, MaxBlurPool2d.__name__):
        raise ValueError('type of pool must be a low-pass filter, got MaxBlurPool2d, which takes a maximum as well')
    if not (inspect.isclass(layer) and issubclass(layer, nn.Module)):
        hint = suggest(layer, _LAYERS) if isinstance(layer, str) else ''
        raise ValueError(f'type of pool must be one of {", ".join(_LAYERS)} or a module class, got {kind!r}{hint}')
    options = ', '.join(f'{key}={value!r}' for key, value in config.items())
    return _layer_factory(layer, config, f'{layer.__name__}({options})')


def _layer_factory(layer: type[nn.Module], options: dict[str, Any], name: str) -> PoolFactory:
    """Make the factory once the options are known to fit, so that a mistake shows before any network is touched."""
    taken = {'channels', 'stride'} & options.keys()
    if taken:
        raise ValueError(f'pool must leave {" and ".join(sorted(taken))} to the place where it is put, got {name}')
    try:
        inspect.signature(layer).bind(1, stride=(1, 1), **options)
        if layer in _LAYERS.values():
            with torch.device('meta'):
                layer({'groups': 8, **(options.get('adaptive') or {}), **options}['groups'], **options)
    except (TypeError, ValueError) as error:
        raise ValueError(f'pool {name} cannot be built: {error}') from error
    return PoolFactory(functools.partial(_build, layer, options), name)


def _build(layer: type[nn.Module], options: dict[str, Any], channels: int, stride: Stride) -> nn.Module:
    return layer(channels, stride=stride, **options)


def _build_fitting(
    layer: type[nn.Module], options: dict[str, Any], fixed: Mapping[str, int], channels: int, stride: Stride
) -> nn.Module:
    """Build with the largest values up to those fixed that divide the channels."""
    fitting = {name: max(n for n in range(1, most + 1) if channels % n == 0) for name, most in fixed.items()}
    return layer(channels, stride=stride, **options, **fitting)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known ones, if any is near."""
    nearest = difflib.get_close_matches(name, known)
    return f'; did you mean {" or ".join(nearest)}?' if nearest else ''
