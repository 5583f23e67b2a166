"""The figures of `docs/consistency.md`: networks and pictures in, files out. Needs matplotlib."""

from lab.gallery.data import ClassSequence, follow_classes, typical_pixel
from lab.gallery.draw import FIGURES, draw_gallery, save_figure

__all__ = [
    'FIGURES',
    'ClassSequence',
    'draw_gallery',
    'follow_classes',
    'save_figure',
    'typical_pixel',
]
