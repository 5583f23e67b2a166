"""Annotations as COCO writes them: https://cocodataset.org/#format-data. Masks have shape H W, bool."""

from typing import Any

import numpy as np

from lab.toyshapes.categories import CATEGORIES
from lab.toyshapes.generator import Instance


def run_lengths(mask: np.ndarray) -> dict[str, list[int]]:
    """Encode a mask as COCO's uncompressed runs, down the columns, the first of them outside.

    Unlike polygons it loses nothing: not the holes, nor the parts into which something in front cuts a shape.

    Example:
        >>> run_lengths(np.array([[True, True], [False, True]]))
        {'counts': [0, 1, 1, 2], 'size': [2, 2]}
    """
    pixels = np.concatenate([[False], mask.ravel(order='F')])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    counts = np.diff(np.concatenate([[0], changes, [mask.size]]))
    return {'counts': counts.tolist(), 'size': list(mask.shape)}


def annotation(instance: Instance) -> dict[str, Any]:
    """The annotation of an instance with a pixel at least, without its ids."""
    columns, rows = (np.flatnonzero(instance.mask.any(axis)) for axis in (0, 1))
    left, top = int(columns[0]), int(rows[0])
    return {
        'category_id': 1 + CATEGORIES.index(instance.category),
        'bbox': [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        'area': int(instance.mask.sum()),
        'iscrowd': int(instance.crowd),
        'segmentation': run_lengths(instance.mask),
    }


def document(images: list[dict[str, Any]], annotations: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Put the annotations of all images, one list for each, into the content of an annotation file."""
    pairs = [(image, found) for image, own in zip(images, annotations, strict=True) for found in own]
    numbered = [{'id': number, 'image_id': image['id'], **found} for number, (image, found) in enumerate(pairs, 1)]
    categories = [{'id': number, 'name': name, 'supercategory': 'shape'} for number, name in enumerate(CATEGORIES, 1)]
    return {'images': images, 'annotations': numbered, 'categories': categories}
