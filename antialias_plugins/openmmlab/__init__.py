"""Registers our types in mmengine, where the configs of every OpenMMLab package find them.

Importing this package needs mmengine only; mmseg, mmdet and mmpretrain are imported when one of their classes is built.
"""

from mmengine.config.utils import MODULE2PACKAGE

from antialias_plugins.openmmlab import (
    antialiased,
    checkpoint_hook,
    dataset_check_hook,
    filter_norms,
    hooks,
    layers,
    loops,
    mean_loss_hook,
    psnr,
    runner,
    segmentation,
    temperature,
    train_loop,
)

__all__ = [
    'antialiased',
    'checkpoint_hook',
    'dataset_check_hook',
    'filter_norms',
    'hooks',
    'layers',
    'loops',
    'mean_loss_hook',
    'psnr',
    'runner',
    'segmentation',
    'temperature',
    'train_loop',
]

# mmengine.hub.get_config('antialias_plugins::deeplabv3plus/….py') finds the configs that the package carries
MODULE2PACKAGE.setdefault('antialias_plugins', 'antialias_plugins')
