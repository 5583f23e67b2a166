"""What is measured of a segmentation's consistency."""

from dataclasses import dataclass

from antialias_plugins.metrics.interval import MeanShare, format_percent


@dataclass(frozen=True)
class SegmentationConsistency:
    """Mean consistency over images; shares in [0, 1], intervals as half-widths at 95 %.

    What begins with ``labelled`` is measured on labelled pixels, with the classes and boundaries of the label maps; the
    rest on all pixels, with those of the two predictions. See `class_agreement` and `boundary_agreement`.

    Attributes:
        mean: Mean share of agreeing pixels, over all pixels of each overlap.
        interval: Half-width of its interval; ``None`` for a single image.
        images: Number of images.
        labelled_mean: Mean share over labelled pixels; ``None`` if no image has any.
        labelled_interval: Half-width of its interval; ``None`` for fewer than two images with labelled pixels.
        labelled_images: Number of images with labelled pixels.
        classes: Share of each class, over the images in which it is predicted; empty unless measured.
        labelled_classes: Share of each class, over the images in which it is labelled; empty unless measured, or if
            no image has labelled pixels.
        boundary: Share near boundaries, over the images that have any; ``None`` unless measured.
        interior: Share elsewhere; ``None`` unless measured.
        labelled_boundary: As ``boundary``; ``None`` unless measured, or if no image has labelled pixels.
        labelled_interior: As ``interior``; ``None`` unless measured, or if no image has labelled pixels.
    """

    mean: float
    interval: float | None
    images: int
    labelled_mean: float | None = None
    labelled_interval: float | None = None
    labelled_images: int = 0
    classes: tuple[MeanShare, ...] = ()
    labelled_classes: tuple[MeanShare, ...] = ()
    boundary: MeanShare | None = None
    interior: MeanShare | None = None
    labelled_boundary: MeanShare | None = None
    labelled_interior: MeanShare | None = None

    def __str__(self) -> str:
        text = f'mASSC {format_percent(self.mean, self.interval)} (n = {self.images})'
        if self.labelled_mean is None:
            return text
        labelled = format_percent(self.labelled_mean, self.labelled_interval)
        return f'{text}, labelled pixels {labelled} (n = {self.labelled_images})'
