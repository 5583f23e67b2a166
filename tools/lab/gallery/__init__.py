"""The figures of `docs/consistency.md`: networks and pictures in, files out. Needs matplotlib."""

from lab.gallery.data import ClassSequence, curves_of, follow_classes, spectra_of, typical_pixel
from lab.gallery.draw import FIGURES, draw_gallery, save_figure

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
