"""Configs of the OpenMMLab backbones that compute what the published antialiased networks do."""

import re
from typing import Any

BACKBONES: dict[str, dict[str, Any]] = {
    **{f'resnet{depth}': {'base': 'ResNet', 'depth': depth} for depth in (18, 34, 50, 101, 152)},
    'resnext50_32x4d': {'base': 'ResNeXt', 'depth': 50, 'groups': 32, 'base_width': 4},
    'resnext101_32x8d': {'base': 'ResNeXt', 'depth': 101, 'groups': 32, 'base_width': 8},
    'mobilenet_v2': {'base': 'MobileNetV2'},
}


def published_backbone(arch: str, library: str = 'mmseg') -> dict[str, Any]:
    """Return the config of a backbone that published weights fit and are right for.

    Args:
        arch: a published network, ``'<name>_lpf<k>'`` or ``'<name>_ddac<k>'``, where name is a key of `BACKBONES`.
        library: ``'mmseg'``, ``'mmdet'`` or ``'mmpretrain'``.

    Raises:
        ValueError: OpenMMLab has no such backbone.

    Example:
        >>> published_backbone('resnet50_lpf4')['pool']
        'lpf4'
    """
    match = re.fullmatch(r'(\w+)_((lpf|ddac)(\d+))', arch)
    if match is None or match[1] not in BACKBONES:
        names = ', '.join(BACKBONES)
        raise ValueError(f'arch must be one of {names}, with _lpf<k> or _ddac<k> at its end, got {arch!r}')
    adaptive = {'type': 'AdaptiveBlurPool2d', 'filt_size': int(match[4]), 'groups': 8, 'softmax': 'joint'}
    arguments = dict(BACKBONES[match[1]])
    config = {'type': 'Antialiased', 'base': f'{library}.{arguments.pop("base")}', **arguments}
    config['pool'] = adaptive if match[3] == 'ddac' else match[2]
    if arguments:  # a ResNet: the published ones have another max pool
        config['convert'] = {'maxpool': 'published'}
    return config
