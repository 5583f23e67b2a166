"""A contact sheet: pictures beside their instances, and what the colors mean."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lab.toyscapes.preview import GAP, arrange
from lab.toyshapes.categories import CATEGORIES, PALETTE


def contact_sheet(root: str | Path, scenes: int = 8, pairs: int = 2, zoom: int = 3) -> Image.Image:
    """Show the first pictures of a data set, and their masks and boxes in the colors of their categories.

    Args:
        root: folder of a ToyShapes.
        scenes: number of pictures, of the training set or, if it is empty, of the other; fewer if there are fewer.
        pairs: number of pictures side by side.
        zoom: how many times as large as it is to show a picture.

    Raises:
        ValueError: if `root` holds no pictures.
    """
    for split in ('train2017', 'val2017'):
        path = Path(root) / 'annotations' / f'instances_{split}.json'
        content = json.loads(path.read_text()) if path.is_file() else {'images': []}
        if content['images']:
            break
    else:
        raise ValueError(f"root must hold annotations/instances_*2017.json with a picture, got '{root}'")
    tiles = [_pair(Path(root) / split, image, content['annotations'], zoom) for image in content['images'][:scenes]]
    return arrange(tiles, CATEGORIES, PALETTE, pairs)


def _pair(folder: Path, image: dict[str, Any], annotations: list[dict[str, Any]], zoom: int) -> Image.Image:
    with Image.open(folder / image['file_name']) as file:
        picture = file.resize((zoom * file.width, zoom * file.height), Image.Resampling.NEAREST)
    shown = Image.new('RGB', picture.size, (40, 40, 44))
    draw = ImageDraw.Draw(shown)
    for found in annotations:
        if found['image_id'] == image['id']:
            color = PALETTE[found['category_id'] - 1]
            mask = Image.fromarray(_decode(**found['segmentation'])).resize(picture.size, Image.Resampling.NEAREST)
            shown.paste('black', mask=mask)  # leaves a border between instances of one color
            shown.paste(color, mask=mask.filter(ImageFilter.MinFilter(3)))
            left, top, width, height = (zoom * length for length in found['bbox'])
            draw.rectangle([left, top, left + width - 1, top + height - 1], outline=color)
    pair = Image.new('RGB', (2 * picture.width + GAP // 2, picture.height), 'white')
    pair.paste(picture)
    pair.paste(shown, (picture.width + GAP // 2, 0))
    return pair


def _decode(counts: list[int], size: list[int]) -> np.ndarray:
    """The mask of run lengths, 255 inside. Shape: H W, uint8."""
    inside = np.arange(len(counts)) % 2 * 255
    return np.repeat(inside, counts).astype(np.uint8).reshape(size, order='F')
