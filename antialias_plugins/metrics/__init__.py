"""Consistency under shifts, measured without any framework: a callable that predicts is all it takes."""

from antialias_plugins.metrics.agreement import PairAgreement, segmentation_consistency
from antialias_plugins.metrics.interval import mean_interval
from antialias_plugins.metrics.offsets import draw_offsets
from antialias_plugins.metrics.segmentation import (
    MeanSegmentationConsistency,
    SegmentationConsistency,
    mean_segmentation_consistency,
)
from antialias_plugins.metrics.views import shifted_views

__all__ = [
    'MeanSegmentationConsistency',
    'PairAgreement',
    'SegmentationConsistency',
    'draw_offsets',
    'mean_interval',
    'mean_segmentation_consistency',
    'segmentation_consistency',
    'shifted_views',
]
