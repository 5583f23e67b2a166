"""Consistency under shifts, measured without any framework: a callable that predicts is all it takes."""

from antialias_plugins.metrics.agreement import PairAgreement, segmentation_consistency
from antialias_plugins.metrics.aliasing import AliasingReport, SiteAliasing, aliasing_report
from antialias_plugins.metrics.boundary import BoundaryAgreement, boundary_agreement, boundary_band
from antialias_plugins.metrics.class_agreement import ClassAgreement, class_agreement
from antialias_plugins.metrics.classification import ClassificationConsistency, ShiftConsistency, shift_consistency
from antialias_plugins.metrics.equivariance import (
    EquivarianceReport,
    LayerEquivariance,
    equivariance_error,
    equivariance_report,
)
from antialias_plugins.metrics.fourier import fourier_shift
from antialias_plugins.metrics.instance_agreement import InstanceAgreement, InstanceRule, instance_agreement
from antialias_plugins.metrics.instance_consistency import MeanInstanceConsistency, mean_instance_consistency
from antialias_plugins.metrics.instance_result import InstanceConsistency
from antialias_plugins.metrics.instances import Instances
from antialias_plugins.metrics.interval import MeanShare, mean_interval
from antialias_plugins.metrics.offsets import draw_batch_offsets, draw_offsets, draw_subpixel_offsets
from antialias_plugins.metrics.segmentation import MeanSegmentationConsistency, mean_segmentation_consistency
from antialias_plugins.metrics.segmentation_result import SegmentationConsistency
from antialias_plugins.metrics.shift_grid import ShiftGrid
from antialias_plugins.metrics.side_by_side import side_by_side
from antialias_plugins.metrics.spectrum import aliased_share, power_spectrum, radial_average
from antialias_plugins.metrics.sweep import DiagonalSweep, diagonal_sweep
from antialias_plugins.metrics.view_agreement import ViewAgreement, classification_agreement, mean_absolute_change
from antialias_plugins.metrics.view_plan import ViewPlan
from antialias_plugins.metrics.views import shifted_views
from antialias_plugins.metrics.worst_case_classification import (
    GridAgreement,
    WorstCaseClassification,
    WorstCaseShiftConsistency,
    worst_case_shift_consistency,
)
from antialias_plugins.metrics.worst_case_segmentation import (
    WorstCaseSegmentation,
    WorstCaseSegmentationConsistency,
    WorstShift,
    worst_case_segmentation_consistency,
)

__all__ = [
    'AliasingReport',
    'BoundaryAgreement',
    'ClassAgreement',
    'ClassificationConsistency',
    'DiagonalSweep',
    'EquivarianceReport',
    'GridAgreement',
    'InstanceAgreement',
    'InstanceConsistency',
    'InstanceRule',
    'Instances',
    'LayerEquivariance',
    'MeanInstanceConsistency',
    'MeanSegmentationConsistency',
    'MeanShare',
    'PairAgreement',
    'SegmentationConsistency',
    'ShiftConsistency',
    'ShiftGrid',
    'SiteAliasing',
    'ViewAgreement',
    'ViewPlan',
    'WorstCaseClassification',
    'WorstCaseSegmentation',
    'WorstCaseSegmentationConsistency',
    'WorstCaseShiftConsistency',
    'WorstShift',
    'aliased_share',
    'aliasing_report',
    'boundary_agreement',
    'boundary_band',
    'class_agreement',
    'classification_agreement',
    'diagonal_sweep',
    'draw_batch_offsets',
    'draw_offsets',
    'draw_subpixel_offsets',
    'equivariance_error',
    'equivariance_report',
    'fourier_shift',
    'instance_agreement',
    'mean_absolute_change',
    'mean_instance_consistency',
    'mean_interval',
    'mean_segmentation_consistency',
    'power_spectrum',
    'radial_average',
    'segmentation_consistency',
    'shift_consistency',
    'shifted_views',
    'side_by_side',
    'worst_case_segmentation_consistency',
    'worst_case_shift_consistency',
]
