"""The same training on one process and on several."""

from antialias_plugins.scaling.independence import without_batch_statistics
from antialias_plugins.scaling.losses import largest_difference, losses_by_processes

__all__ = ['largest_difference', 'losses_by_processes', 'without_batch_statistics']
