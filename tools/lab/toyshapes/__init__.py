"""ToyShapes: textured shapes that hide each other, from a seed, as instances in COCO's format."""

from lab.toyshapes.categories import CATEGORIES, PALETTE
from lab.toyshapes.dataset import make_dataset
from lab.toyshapes.generator import Instance, render_scene
from lab.toyshapes.preview import contact_sheet

__all__ = ['CATEGORIES', 'PALETTE', 'Instance', 'contact_sheet', 'make_dataset', 'render_scene']
