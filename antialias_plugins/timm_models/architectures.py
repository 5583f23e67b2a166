"""The 23 published architectures, each built by timm's own entry of its sibling and converted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from timm.models import get_pretrained_cfg, model_entrypoint
from torch import nn

from antialias_plugins.conversion import convert_antialias
from antialias_plugins.conversion.plan import resolve_stem
from antialias_plugins.layers import PoolFactory
from antialias_plugins.timm_models.alexnet import AlexNet
from antialias_plugins.timm_models.vgg import pool_head

RESNETS = (
    *('resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152'),
    *('resnext50_32x4d', 'resnext101_32x8d', 'wide_resnet50_2', 'wide_resnet101_2'),
)
# exactly invariant to circular shifts with the layers that choose a phase
POLYPHASE = ('resnet18', 'resnet50', 'resnet101')
DENSENETS = ('densenet121', 'densenet161', 'densenet169', 'densenet201')
VGGS = tuple(f'vgg{depth}{norm}' for depth in (11, 13, 16, 19) for norm in ('', '_bn'))


@dataclass(frozen=True)
class Architecture:
    """How one antialiased network is built.

    Attributes:
        build: called with the config of the filter, the options of the conversion and timm's own arguments.
        options: names of the options of the conversion that it takes.
        cfg: its entries in timm's default config that do not depend on the weights.
        feature_cfg: how timm is to take its features.
        own_features: its sibling has a network of its own for ``features_only``.
    """

    build: Callable[..., nn.Module]
    options: tuple[str, ...] = ('stem',)
    cfg: Mapping[str, Any] = field(default_factory=dict)
    feature_cfg: Mapping[str, Any] = field(default_factory=dict)
    own_features: bool = False


def _convert_sibling(
    sibling: str,
    published: Mapping[str, str],
    adapt: Callable[[nn.Module], None] | None,
    pool: dict[str, Any],
    options: Mapping[str, Any],
    **kwargs: Any,
) -> nn.Module:
    model = model_entrypoint(sibling)(pretrained=False, **kwargs)
    if adapt is not None:
        adapt(model)
    if not isinstance(options.get('stem', False), bool):
        options = {**options, 'stem': _with_border(resolve_stem(options['stem']), pool['padding_mode'])}
    return convert_antialias(model, pool, **published, **options)


def _with_border(pool: PoolFactory, padding_mode: str) -> PoolFactory:
    """The same filter with another border, where it has one."""

    def build(channels: int, stride: tuple[int, int]) -> nn.Module:
        layer = pool(channels, stride)
        if hasattr(layer, 'padding_mode'):
            layer.padding_mode = padding_mode
        return layer

    return PoolFactory(build, str(pool))


def _build_alexnet(pool: dict[str, Any], options: Mapping[str, Any], **kwargs: Any) -> nn.Module:
    border = {name: value for name, value in pool.items() if name != 'type'}
    return AlexNet(**border, **options, **kwargs)


def _of_sibling(
    sibling: str, published: Mapping[str, str], adapt: Callable[[nn.Module], None] | None = None, **attributes: Any
) -> Architecture:
    cfg = get_pretrained_cfg(sibling)
    shared = {name: getattr(cfg, name) for name in ('first_conv', 'classifier', 'pool_size')}
    return Architecture(partial(_convert_sibling, sibling, published, adapt), cfg=shared, **attributes)


_FLAT = {'flatten_sequential': True}
_ALEXNET_CFG = {'first_conv': 'features.0', 'classifier': 'classifier.6', 'pool_size': (6, 6)}

ARCHITECTURES: dict[str, Architecture] = {
    'alexnet': Architecture(_build_alexnet, cfg=_ALEXNET_CFG, feature_cfg={**_FLAT, 'out_indices': (0, 1, 2, 3)}),
    **{name: _of_sibling(name, {'maxpool': 'published'}, options=('stem', 'dilated', 'recompute')) for name in RESNETS},
    **{name: _of_sibling(name, {'avgpool': 'published'}, feature_cfg=_FLAT) for name in DENSENETS},
    **{
        name: _of_sibling(name, {}, pool_head, options=(), feature_cfg={**_FLAT, 'out_indices': (0, 1, 2, 3, 4, 5)})
        for name in VGGS
    },
    'mobilenet_v2': _of_sibling('mobilenetv2_100', {}, options=('stem', 'recompute'), own_features=True),
}
