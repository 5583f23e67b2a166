"""A data set of shapes in COCO's folder layout and format (https://cocodataset.org/#format-data).

Masks have shape H W, bool.
"""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from lab.generated import check_arguments, make_folder, run_jobs
from lab.toyscapes.generator import SPLITS
from lab.toyshapes.categories import CATEGORIES
from lab.toyshapes.generator import Instance, render_scene


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


NAME = 'ToyShapes'
# To be raised whenever the same arguments make other pictures.
GENERATOR = 1
SMALLEST = (64, 64)


def make_dataset(
    out: str | Path,
    size: tuple[int, int] = (128, 96),
    train: int = 200,
    val: int = 50,
    seed: int = 0,
    *,
    workers: int = 1,
    overwrite: bool = False,
) -> bool:
    """Make a data set that detectors read as they read COCO 2017.

    ``annotations/instances_{train,val}2017.json`` describe the pictures in ``train2017/`` and ``val2017/``. A picture
    depends on `seed`, its split, its number and `size` alone. The folder appears at once when everything is written;
    what an interrupted run leaves beside it, if it was killed, is cleared away by the next.

    Args:
        out: folder to make; its manifest tells what it holds.
        size: width and height of the pictures in pixels, at least 64 and 64.
        train: number of pictures to train on.
        val: number of pictures to validate on.
        seed: which data set; not negative.
        workers: number of processes; changes nothing but the time.
        overwrite: replace a ToyShapes that was made with other arguments.

    Returns:
        Whether anything was written: False if `out` holds this very data set already.

    Raises:
        ValueError: if an argument breaks its rule, or `out` holds something else.
    """
    check_arguments(size, SMALLEST, train, val, seed, workers)
    manifest = {'generator': GENERATOR, 'size': 'x'.join(map(str, size)), 'train': train, 'val': val, 'seed': seed}
    fill = functools.partial(_fill, size, {'train': train, 'val': val}, seed, workers)
    return make_folder(out, NAME, manifest, fill, overwrite=overwrite)


def _fill(size: tuple[int, int], counts: dict[str, int], seed: int, workers: int, root: Path) -> None:
    for folder in ('annotations', *(f'{split}2017' for split in SPLITS)):
        (root / folder).mkdir()
    jobs = [(split, index) for split in SPLITS for index in range(counts[split])]
    annotations = list(run_jobs(functools.partial(_write_picture, root, seed, size), jobs, workers, NAME))
    for split in SPLITS:
        images = [_image(*job, size) for job in jobs if job[0] == split]
        own = [found for job, found in zip(jobs, annotations, strict=True) if job[0] == split]
        path = root / 'annotations' / f'instances_{split}2017.json'
        path.write_text(json.dumps(document(images, own), separators=(',', ':')))


def _write_picture(root: Path, seed: int, size: tuple[int, int], job: tuple[str, int]) -> list[dict[str, Any]]:
    """Write a picture; returns its annotations."""
    split, index = job
    picture, instances = render_scene(seed, split, index, *size)
    picture.save(root / f'{split}2017' / _image(split, index, size)['file_name'], compress_level=4)
    return [annotation(instance) for instance in instances]


def _image(split: str, index: int, size: tuple[int, int]) -> dict[str, Any]:
    # As in COCO, no picture has the id of one in another split, and ids have gaps.
    number = 2 * index + 1 + SPLITS.index(split)
    return {'id': number, 'file_name': f'{number:012d}.png', 'width': size[0], 'height': size[1]}
