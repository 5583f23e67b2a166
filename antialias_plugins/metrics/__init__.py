"""Consistency under shifts, measured without any framework: a callable that predicts is all it takes."""

from antialias_plugins.metrics.agreement import PairAgreement, segmentation_consistency
from antialias_plugins.metrics.classification import ClassificationConsistency, ShiftConsistency, shift_consistency
from antialias_plugins.metrics.interval import mean_interval
from antialias_plugins.metrics.offsets import draw_batch_offsets, draw_offsets
from antialias_plugins.metrics.segmentation import (
    MeanSegmentationConsistency,
    SegmentationConsistency,
    mean_segmentation_consistency,
)
from antialias_plugins.metrics.sweep import DiagonalSweep, diagonal_sweep
from antialias_plugins.metrics.view_agreement import ViewAgreement, classification_agreement, mean_absolute_change
from antialias_plugins.metrics.view_plan import ViewPlan
from antialias_plugins.metrics.views import shifted_views

__all__ = [
    'ClassificationConsistency',
    'DiagonalSweep',
    'MeanSegmentationConsistency',
    'PairAgreement',
    'SegmentationConsistency',
    'ShiftConsistency',
    'ViewAgreement',
    'ViewPlan',
    'classification_agreement',
    'diagonal_sweep',
    'draw_batch_offsets',
    'draw_offsets',
    'mean_absolute_change',
    'mean_interval',
    'mean_segmentation_consistency',
    'segmentation_consistency',
    'shift_consistency',
    'shifted_views',
]
