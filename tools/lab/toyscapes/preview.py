"""A contact sheet: pictures beside their labels, and what the colors mean."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lab.toyscapes.classes import colorize
from lab.toyscapes.layouts import LAYOUTS, Layout

GAP, LINE = 8, 26


def contact_sheet(root: str | Path, scenes: int = 8, pairs: int = 2) -> Image.Image:
    """Show the first scenes of a data set.

    Args:
        root: folder in the layout of Cityscapes, with `_gtFine_labelTrainIds.png` labels, or of PASCAL VOC.
        scenes: number of scenes, taken from all splits in the order of their numbers; fewer if there are fewer.
        pairs: number of scenes side by side.

    Raises:
        ValueError: if `root` holds no scenes.
    """
    layout, paths = _scenes(Path(root))
    tiles = [_pair(layout, path) for path in paths[:scenes]]
    return arrange(tiles, layout.classes, layout.palette, pairs)


def arrange(
    tiles: Sequence[Image.Image],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    columns: int,
) -> Image.Image:
    """Put tiles of one size side by side, and what their colors mean below.

    Args:
        tiles: at least one, row by row.
        classes: names of the classes.
        palette: their colors, and perhaps more.
        columns: number of tiles in a row; fewer if there are fewer.
    """
    width, height = tiles[0].width + GAP, tiles[0].height + GAP
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    legend = _legend(classes, palette, columns * width - GAP)
    sheet = Image.new('RGB', (columns * width + GAP, rows * height + legend.height + 2 * GAP), 'white')
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + i % columns * width, GAP + i // columns * height))
    sheet.paste(legend, (GAP, rows * height + GAP))
    return sheet


def _scenes(root: Path) -> tuple[Layout, list[Path]]:
    for layout in LAYOUTS.values():
        if paths := list(root.glob(layout.pattern)):
            return layout, sorted(paths, key=lambda path: (path.stem.split('_')[1], path.name))
    patterns = ' or '.join(layout.pattern for layout in LAYOUTS.values())
    raise ValueError(f"root must hold {patterns}, got '{root}'")


def _pair(layout: Layout, path: Path) -> Image.Image:
    with Image.open(path) as picture, Image.open(layout.labels_of(path)) as labels:
        colors = Image.fromarray(colorize(np.asarray(labels), layout.palette))
        pair = Image.new('RGB', (2 * picture.width + GAP // 2, picture.height), 'white')
        pair.paste(picture)
    pair.paste(colors, (picture.width + GAP // 2, 0))
    return pair


def _legend(classes: Sequence[str], palette: Sequence[tuple[int, int, int]], width: int) -> Image.Image:
    font = ImageFont.load_default(14)
    rows = -(-len(classes) // max(1, width // 140))
    columns = -(-len(classes) // rows)
    legend = Image.new('RGB', (width, rows * LINE), 'white')
    draw = ImageDraw.Draw(legend)
    for i, (name, color) in enumerate(zip(classes, palette, strict=False)):
        x, y = i % columns * (width // columns), i // columns * LINE
        draw.rectangle([x, y + 5, x + 18, y + 19], fill=color)
        draw.text((x + 25, y + 3), name, fill='black', font=font)
    return legend
