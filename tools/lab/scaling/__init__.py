"""The same training on one process and on several."""

from lab.scaling.independence import without_batch_statistics
from lab.scaling.losses import largest_difference, losses_by_processes

__all__ = ['largest_difference', 'losses_by_processes', 'without_batch_statistics']
