"""ToyScapes: street scenes from a seed, in Cityscapes' layout and with its 19 classes."""

from .classes import CLASSES, IGNORE, PALETTE, colorize
from .dataset import make_dataset, parse_size
from .generator import render_scene
from .preview import contact_sheet

__all__ = ['CLASSES', 'IGNORE', 'PALETTE', 'colorize', 'contact_sheet', 'make_dataset', 'parse_size', 'render_scene']
