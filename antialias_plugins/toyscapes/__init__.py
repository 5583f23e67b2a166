"""ToyScapes: street scenes from a seed, in the layout and with the classes of Cityscapes or of PASCAL VOC."""

from antialias_plugins.toyscapes.classes import CLASSES, IGNORE, PALETTE, colorize
from antialias_plugins.toyscapes.dataset import make_dataset
from antialias_plugins.toyscapes.generated import parse_size
from antialias_plugins.toyscapes.generator import render_scene
from antialias_plugins.toyscapes.preview import contact_sheet

__all__ = ['CLASSES', 'IGNORE', 'PALETTE', 'colorize', 'contact_sheet', 'make_dataset', 'parse_size', 'render_scene']
