"""`Antialiased`: the one type that antialiases anything an OpenMMLab config can build."""

import functools
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import nn

from antialias_plugins.conversion.convert import convert
from antialias_plugins.conversion.plan import AntialiasWarning, Options
from antialias_plugins.layers import PoolFactory, resolve_pool
from antialias_plugins.layers.pool import suggest
from antialias_plugins.openmmlab.registration import LAYERS

Pool = str | Mapping[str, Any] | Callable[[int, tuple[int, int]], nn.Module]

_OPTIONS = tuple(option.name for option in fields(Options))


@MODELS.register_module()
def Antialiased(
    base: str | type | None = None,
    pool: Pool = 'lpf4',
    convert: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> nn.Module:
    """Build `base`, antialias it in place, and return that very object.

    Its class, ``init_cfg`` and state dict keys are those of `base`, so a config changes three keys and no more::

        backbone = dict(type='Antialiased', base='ResNetV1c', pool='ddac3', convert=dict(dilated='blur'), depth=50, ...)

    Args:
        base: What to build: a name in the current scope (``'ResNetV1c'``), a name with its scope (``'mmdet.ResNet'``)
            or a class or function that returns a network; a backbone, a timm wrapper or a whole segmentor.
        pool: The filter: a shorthand (``'lpf4'``, ``'ddac3'``), a config whose type is one of our layers or anything in
            the registry that takes ``channels`` and ``stride``, or a callable of the two.
        convert: Options of :func:`~antialias_plugins.convert_antialias`. A `stem` of its own is written like `pool`.
        **kwargs: Arguments of `base`.

    Returns:
        The converted network. Its plan is in the log, at INFO.

    Raises:
        ValueError: If `base` is missing or not registered, or `pool` or `convert` is malformed.
        UnsupportedModelError: If a place of the network cannot be antialiased.
    """
    _check_base(base)
    options = check_convert(convert)
    factory = _resolve(pool)
    if isinstance(options.get('stem'), Mapping | str):
        options['stem'] = _resolve(options['stem'])
    checked = Options(**options)
    model = MODELS.build({'type': base, **kwargs})
    _antialias(model, factory, checked)
    return model


def _antialias(model: nn.Module, pool: PoolFactory, options: Options) -> None:
    """Convert and log the plan and the warnings, which are given as well, and point into this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        plan = convert(model, pool, options)
    print_log(f'Antialiased {plan}', logger='current', level=logging.INFO)
    for warning in caught:
        if issubclass(warning.category, AntialiasWarning):
            print_log(str(warning.message), logger='current', level=logging.WARNING)
        warnings.warn(warning.message, warning.category, stacklevel=1)


def _check_base(base: Any) -> None:
    if callable(base):
        return
    if not isinstance(base, str):
        raise ValueError(f"Antialiased: base must name the type to build, such as 'ResNetV1c', got {base!r}")
    with MODELS.switch_scope_and_registry(None) as registry:
        if registry.get(base) is None:
            hint = suggest(base.rpartition('.')[2], [*registry.module_dict, *MODELS.module_dict])
            raise ValueError(
                f'Antialiased: base must be registered in scope {registry.scope!r} or name its own scope, as '
                f"'mmseg.ResNetV1c' does, got {base!r}{hint}"
            )


def check_convert(convert: Any) -> dict[str, Any]:
    """Return `convert` as a plain dict, empty for None; a ValueError names what `convert_antialias` does not take."""
    if convert is None:
        return {}
    if not isinstance(convert, Mapping):
        raise ValueError(f"Antialiased: convert must be a dict, such as dict(dilated='blur'), got {convert!r}")
    for key in convert:
        if key not in _OPTIONS:
            options = ', '.join(_OPTIONS)
            raise ValueError(f'Antialiased: convert takes the keys {options}, got {key!r}{suggest(key, _OPTIONS)}')
    return dict(convert)


def _resolve(pool: Any) -> PoolFactory:
    """`resolve_pool`, which also knows the types that only the registry knows, and classes by their dotted names."""
    kind = pool.get('type') if isinstance(pool, Mapping) else pool
    if not isinstance(kind, str) or (kind is pool and '.' not in kind):
        return resolve_pool(pool)
    with MODELS.switch_scope_and_registry(None) as registry:
        layer = registry.get(kind)
    if layer is None:
        return resolve_pool(pool)
    config = dict(pool) if isinstance(pool, Mapping) else {}
    if layer in LAYERS:
        return resolve_pool(config | {'type': layer})
    return PoolFactory(functools.partial(_build_registered, config | {'type': layer}), kind)


def _build_registered(config: dict[str, Any], channels: int, stride: tuple[int, int]) -> nn.Module:
    return MODELS.build({**config, 'channels': channels, 'stride': stride})
