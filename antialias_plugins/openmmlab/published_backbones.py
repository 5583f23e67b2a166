"""Configs of the OpenMMLab backbones that compute what the published antialiased networks do."""

import re
from collections.abc import Mapping
from typing import Any

from antialias_plugins.checkpoints.published import DDAC_ARGUMENTS
from antialias_plugins.layers.pool import METHODS

BACKBONES: dict[str, dict[str, Any]] = {
    **{f'resnet{depth}': {'base': 'ResNet', 'depth': depth} for depth in (18, 34, 50, 101, 152)},
    'resnext50_32x4d': {'base': 'ResNeXt', 'depth': 50, 'groups': 32, 'base_width': 4},
    'resnext101_32x8d': {'base': 'ResNeXt', 'depth': 101, 'groups': 32, 'base_width': 8},
    'mobilenet_v2': {'base': 'MobileNetV2'},
}


def published_backbone(arch: str, library: str = 'mmseg', arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the config of a backbone that published weights fit and are right for.

    Args:
        arch: a published network, ``'<name>_lpf<k>'``, ``'<name>_ddac<k>'`` or ``'<name>_lps<k>'``, where name is a key
            of `BACKBONES`.
        library: ``'mmseg'``, ``'mmdet'`` or ``'mmpretrain'``.
        arguments: what `antialias_plugins.checkpoints.published_arguments` says of the file; by default what it says of
            every file of DDAC, and nothing of others.

    Raises:
        ValueError: OpenMMLab has no such backbone.

    Example:
        >>> published_backbone('resnet50_lpf4')['pool']
        'lpf4'
        >>> published_backbone('resnet50_ddac3')['pool']
        {'type': 'AdaptiveBlurPool2d', 'filt_size': 3, 'softmax': 'joint', 'groups': 8}
    """
    match = re.fullmatch(r'(\w+)_((lpf|ddac|lps)(\d+))', arch)
    if match is None or match[1] not in BACKBONES:
        names = ', '.join(BACKBONES)
        raise ValueError(f'arch must be one of {names}, with _lpf<k>, _ddac<k> or _lps<k> at its end, got {arch!r}')
    base = dict(BACKBONES[match[1]])
    if arguments is None:
        arguments = DDAC_ARGUMENTS if match[3] == 'ddac' else {}
    arguments, convert = dict(arguments), {}
    if 'depth' in base:  # a ResNet: the published ones have another max pool
        convert['maxpool'] = 'published'
    convert |= {option: arguments.pop(option) for option in ('stem', 'padding') if option in arguments}
    config = {'type': 'Antialiased', 'base': f'{library}.{base.pop("base")}', **base}
    config['pool'] = match[2]
    if arguments:
        config['pool'] = {'type': METHODS[match[3]].layer.__name__, 'filt_size': int(match[4]), **arguments}
    return {**config, 'convert': convert} if convert else config
