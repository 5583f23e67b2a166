"""Registration in mmengine, where the configs of every OpenMMLab package find our types.

Importing this package needs mmengine only; mmseg, mmdet and mmpretrain are imported when one of their classes is built.
"""

from mmengine.config.utils import MODULE2PACKAGE

from antialias_plugins.openmmlab import (
    antialiased,
    consistency,
    dataset_check,
    psnr,
    registration,
    resumable_training,
    runner,
    training_hooks,
)

__all__ = [
    'antialiased',
    'consistency',
    'dataset_check',
    'psnr',
    'registration',
    'resumable_training',
    'runner',
    'training_hooks',
]

# mmengine.hub.get_config('antialias_plugins::deeplabv3plus/….py') finds the configs that the package carries
MODULE2PACKAGE.setdefault('antialias_plugins', 'antialias_plugins')
