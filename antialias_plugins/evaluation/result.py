"""What an evaluation found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from antialias_plugins.metrics import ClassificationConsistency, InstanceConsistency, SegmentationConsistency

Consistency = ClassificationConsistency | SegmentationConsistency | InstanceConsistency


@dataclass(frozen=True)
class Evaluation:
    """Accuracy and consistency of a network.

    Attributes:
        accuracy: By name (``top1``, ``top5``; ``mIoU``, …; ``segm_mAP``, …), the accuracy in [0, 1] and the half-width
            of its 95 % interval, if it is a mean over images. Empty without labels.
        consistency: Consistency of the views.
        parameters: Number of the network's parameters.
        images_per_second: Images, with all their views, from files to figures.
        plain_per_second: Images whose accuracy the network alone is asked for; ``None`` without labels.
        views_per_second: Images whose views the network alone is asked for.
        classes: Names of the classes of a segmentation that was measured class by class.
        prepared: How the images were prepared, where no config says it.
    """

    accuracy: Mapping[str, tuple[float, float | None]]
    consistency: Consistency
    parameters: int
    images_per_second: float
    plain_per_second: float | None = None
    views_per_second: float | None = None
    classes: tuple[str, ...] = ()
    prepared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passes(self) -> float | None:
        """What the views of an image cost, in plain forward passes; ``None`` without labels."""
        if self.plain_per_second is None or self.views_per_second is None:
            return None
        return self.plain_per_second / self.views_per_second
