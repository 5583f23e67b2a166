"""The seeds' segmentation systems: heads, backbones, losses and segmentors that build on mmseg's.

Their modules import mmseg and mmcv, so each is imported when a config builds its type.
"""

from mmengine.registry import Registry

from antialias_plugins.openmmlab.deferred import register_deferred

# registry, name of the type, module of this package
TYPES: tuple[tuple[Registry, str, str], ...] = ()

for _registry, _name, _module in TYPES:
    register_deferred(_registry, _name, f'{__name__}.{_module}')
