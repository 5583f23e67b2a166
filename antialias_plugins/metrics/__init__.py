"""Consistency under shifts, measured without any framework: a callable that predicts is all it takes."""

from antialias_plugins.metrics.agreement import (
    BoundaryAgreement,
    ClassAgreement,
    PairAgreement,
    boundary_agreement,
    boundary_band,
    class_agreement,
    segmentation_consistency,
)
from antialias_plugins.metrics.aliasing import (
    AliasingReport,
    SiteAliasing,
    aliased_share,
    aliasing_report,
    power_spectrum,
    radial_average,
)
from antialias_plugins.metrics.classification import (
    ClassificationConsistency,
    DiagonalSweep,
    ShiftConsistency,
    ViewAgreement,
    classification_agreement,
    diagonal_sweep,
    mean_absolute_change,
    shift_consistency,
)
from antialias_plugins.metrics.equivariance import (
    EquivarianceReport,
    LayerEquivariance,
    equivariance_error,
    equivariance_report,
)
from antialias_plugins.metrics.instance_consistency import (
    InstanceConsistency,
    MeanInstanceConsistency,
    mean_instance_consistency,
)
from antialias_plugins.metrics.instances import InstanceAgreement, InstanceRule, Instances, instance_agreement
from antialias_plugins.metrics.intervals import MeanShare, difference_interval, mean_interval
from antialias_plugins.metrics.layer_report import side_by_side
from antialias_plugins.metrics.offsets import (
    ShiftGrid,
    ViewPlan,
    draw_batch_offsets,
    draw_offsets,
    draw_subpixel_offsets,
)
from antialias_plugins.metrics.segmentation import (
    MeanSegmentationConsistency,
    SegmentationConsistency,
    mean_segmentation_consistency,
)
from antialias_plugins.metrics.views import fourier_shift, shifted_views
from antialias_plugins.metrics.worst_case import (
    GridAgreement,
    WorstCaseClassification,
    WorstCaseSegmentation,
    WorstCaseSegmentationConsistency,
    WorstCaseShiftConsistency,
    WorstShift,
    worst_case_segmentation_consistency,
    worst_case_shift_consistency,
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
    'difference_interval',
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


def __dir__() -> list[str]:
    return __all__
