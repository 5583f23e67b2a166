"""The figures of `docs/consistency.md`: networks and pictures in, files out. Needs matplotlib."""

from lab.gallery.draw import FIGURES, draw_gallery, save_figure
from lab.gallery.sequences import ClassSequence, follow_classes, typical_pixel
from lab.gallery.signals import curves_of, spectra_of

__all__ = [
    'FIGURES',
    'ClassSequence',
    'curves_of',
    'draw_gallery',
    'follow_classes',
    'save_figure',
    'spectra_of',
    'typical_pixel',
]
