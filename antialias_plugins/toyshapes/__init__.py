"""ToyShapes: textured shapes that hide each other, from a seed, as instances in COCO's format."""

from antialias_plugins.toyshapes.categories import CATEGORIES, PALETTE
from antialias_plugins.toyshapes.dataset import make_dataset
from antialias_plugins.toyshapes.generator import Instance, render_scene
from antialias_plugins.toyshapes.preview import contact_sheet

__all__ = ['CATEGORIES', 'PALETTE', 'Instance', 'contact_sheet', 'make_dataset', 'render_scene']
