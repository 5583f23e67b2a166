"""ToyScapes: street scenes from a seed, in the layout and with the classes of Cityscapes or of PASCAL VOC."""

from lab.generated import parse_size
from lab.toyscapes.classes import CLASSES, DISTINCT, IGNORE, PALETTE, colorize
from lab.toyscapes.dataset import make_dataset
from lab.toyscapes.generator import render_scene
from lab.toyscapes.preview import contact_sheet

__all__ = [
    'CLASSES',
    'DISTINCT',
    'IGNORE',
    'PALETTE',
    'colorize',
    'contact_sheet',
    'make_dataset',
    'parse_size',
    'render_scene',
]
