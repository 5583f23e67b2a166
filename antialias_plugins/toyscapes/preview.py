"""A contact sheet: pictures beside their labels, and what the colors mean."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from antialias_plugins.toyscapes.classes import CLASSES, PALETTE, colorize

GAP, LINE = 8, 26


def contact_sheet(root: str | Path, scenes: int = 8, pairs: int = 2) -> Image.Image:
    """Show the first scenes of a data set.

    Args:
        root: folder in Cityscapes' layout with `_gtFine_labelTrainIds.png` labels.
        scenes: number of scenes, taken from all splits in the order of their numbers; fewer if there are fewer.
        pairs: number of scenes side by side.

    Raises:
        ValueError: if `root` holds no scenes.
    """
    paths = Path(root).glob('leftImg8bit/*/*/*_leftImg8bit.png')
    paths = sorted(paths, key=lambda path: path.stem.split('_')[1:])[:scenes]
    if not paths:
        raise ValueError(f"root must hold leftImg8bit/<split>/<city>/*_leftImg8bit.png, got '{root}'")
    tiles = [_pair(path) for path in paths]
    width, height = tiles[0].width + GAP, tiles[0].height + GAP
    pairs = min(pairs, len(tiles))
    rows = -(-len(tiles) // pairs)
    legend = _legend(pairs * width - GAP)
    sheet = Image.new('RGB', (pairs * width + GAP, rows * height + legend.height + 2 * GAP), 'white')
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + i % pairs * width, GAP + i // pairs * height))
    sheet.paste(legend, (GAP, rows * height + GAP))
    return sheet


def _pair(path: Path) -> Image.Image:
    folder = path.parents[3] / 'gtFine' / path.parents[1].name / path.parent.name
    name = path.name.replace('_leftImg8bit.png', '_gtFine_labelTrainIds.png')
    with Image.open(path) as picture, Image.open(folder / name) as labels:
        colors = Image.fromarray(colorize(np.asarray(labels)))
        pair = Image.new('RGB', (2 * picture.width + GAP // 2, picture.height), 'white')
        pair.paste(picture)
    pair.paste(colors, (picture.width + GAP // 2, 0))
    return pair


def _legend(width: int) -> Image.Image:
    font = ImageFont.load_default(14)
    rows = -(-len(CLASSES) // max(1, width // 140))
    columns = -(-len(CLASSES) // rows)
    legend = Image.new('RGB', (width, rows * LINE), 'white')
    draw = ImageDraw.Draw(legend)
    for i, (name, color) in enumerate(zip(CLASSES, PALETTE, strict=True)):
        x, y = i % columns * (width // columns), i // columns * LINE
        draw.rectangle([x, y + 5, x + 18, y + 19], fill=color)
        draw.text((x + 25, y + 3), name, fill='black', font=font)
    return legend
