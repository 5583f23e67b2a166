"""What is measured of a detector's consistency."""

from dataclasses import dataclass

from antialias_plugins.metrics.interval import MeanShare


@dataclass(frozen=True)
class InstanceConsistency:
    """Mean consistency of instances over images.

    Attributes:
        mask: Mean share of positive instances by the IoU of masks, over the images that have any; ``None`` for a
            detector without masks.
        box: The same by the IoU of boxes; ``None`` for a detector without boxes.
        images: Number of images, with those in which no instance counts.
    """

    mask: MeanShare | None
    box: MeanShare | None
    images: int

    @property
    def shares(self) -> dict[str, MeanShare]:
        """What is measured, by its name."""
        shares = {'mAISC': self.mask, 'box AISC': self.box}
        return {name: share for name, share in shares.items() if share is not None}

    def __str__(self) -> str:
        return ', '.join(f'{name} {share}' for name, share in self.shares.items()) + f', of {self.images} images'
