"""Generator of scenes: a picture and its instances from a seed. Masks have shape H W, bool."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from lab.toyscapes.canvas import SUPERSAMPLING, Camera, Canvas
from lab.toyscapes.generator import SPLITS
from lab.toyscapes.light import draw_light
from lab.toyshapes.categories import CATEGORIES, OUTLINES, Outline
from lab.toyshapes.surfaces import Surface, draw_surface

MOST = 9
TRIES = 12
# The share of its area that every shape has in the picture, and the share of that which no other covers.
INSIDE, UNCOVERED = 0.5, 0.4
CROWDS = 0.05


@dataclass(frozen=True)
class Instance:
    """What is visible of a thing.

    Args:
        category: one of `CATEGORIES`.
        mask: its pixels.
        crowd: whether it is a group of small things of this category.
    """

    category: str
    mask: np.ndarray
    crowd: bool


@dataclass(frozen=True)
class Shape:
    """A thing to paint; lengths in pixels of the canvas.

    Args:
        category: one of `CATEGORIES`.
        outlines: one, or those of a crowd, which do not touch.
        center: column and row of its middle. Shape: 2.
        surface: what covers it.
        crowd: whether it is a crowd.
    """

    category: str
    outlines: list[Outline]
    center: np.ndarray
    surface: Surface
    crowd: bool

    @property
    def points(self) -> np.ndarray:
        """All corners. Shape: N 2."""
        return np.concatenate([line for outline in self.outlines for line in outline])

    @property
    def area(self) -> float:
        """Its area, without the holes, wherever it is."""
        return sum(_enclosed(border) - sum(map(_enclosed, holes)) for border, *holes in self.outlines)

    def mask(self, box: list[int]) -> Image.Image:
        """Its pixels in a box, left, top, right, bottom; one bit a pixel."""
        mask = Image.new('1', (box[2] - box[0], box[3] - box[1]))
        draw = ImageDraw.Draw(mask)
        for border, *holes in self.outlines:
            draw.polygon((border - box[:2]).ravel().tolist(), fill=1)
            for hole in holes:
                draw.polygon((hole - box[:2]).ravel().tolist(), fill=0)
        return mask


def render_scene(seed: int, split: str, index: int, width: int, height: int) -> tuple[Image.Image, list[Instance]]:
    """Paint shapes on a patterned ground, each in front of those painted so far.

    Of every shape at least half lies in the picture, and at least 40 % of that half stays visible.

    Args:
        seed: seed of the data set, not negative.
        split: 'train' or 'val'.
        index: number of the picture in its split, not negative.
        width: width of the picture in pixels.
        height: height of the picture in pixels.

    Returns:
        Picture (RGB) and its instances, from back to front; a function of the arguments alone.

    Example:
        >>> picture, instances = render_scene(0, 'train', 0, 128, 96)
        >>> picture.size, {instance.mask.shape for instance in instances}
        ((128, 96), {(96, 128)})
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    camera = Camera(width * SUPERSAMPLING, height * SUPERSAMPLING, focal=1.0, center=(0.0, 0.0), x=0.0, y=0.0)
    canvas = Canvas(camera, draw_light(rng))
    _paint_ground(canvas, rng)
    shapes = list(_paint_shapes(canvas, rng))
    picture, labels = canvas.finish()
    ids = np.asarray(labels)
    return picture, [Instance(s.category, ids == label, s.crowd) for label, s in enumerate(shapes, 1)]


def _paint_ground(canvas: Canvas, rng: np.random.Generator) -> None:
    box = [0, 0, canvas.camera.width, canvas.camera.height]
    surface = draw_surface(rng, (3 * SUPERSAMPLING, 16 * SUPERSAMPLING))
    canvas.stamp(surface.paint(box, np.zeros(2)), Image.new('1', tuple(box[2:]), 1), (0, 0), 0)


def _paint_shapes(canvas: Canvas, rng: np.random.Generator) -> Iterator[Shape]:
    """Paint shapes with the ids 1, 2, ... as labels, where they fit; yield them."""
    areas = np.zeros(256, int)
    for _ in range(rng.integers(3, MOST + 1)):
        for _ in range(TRIES):
            shape = _draw_shape(rng, canvas.camera.width, canvas.camera.height)
            box = canvas.clip(shape.points)
            mask = shape.mask(box)
            area = int(np.asarray(mask).sum())
            if area >= INSIDE * shape.area and _uncovered(canvas, areas, mask, box):
                label = 1 + np.count_nonzero(areas)
                areas[label] = area
                canvas.shadow([border + SUPERSAMPLING for border, *_ in shape.outlines])
                canvas.stamp(shape.surface.paint(box, shape.center), mask, box[:2], label)
                yield shape
                break


def _uncovered(canvas: Canvas, areas: np.ndarray, mask: Image.Image, box: list[int]) -> bool:
    """Whether enough stays visible of all shapes, whose areas are given by label, under a mask to be painted."""
    ids = np.asarray(canvas.labels)
    covered = ids[box[1] : box[3], box[0] : box[2]][np.asarray(mask)]
    visible = np.bincount(ids.ravel(), minlength=256) - np.bincount(covered, minlength=256)
    return bool((visible >= UNCOVERED * areas).all())


def _draw_shape(rng: np.random.Generator, width: int, height: int) -> Shape:
    category = CATEGORIES[rng.integers(len(CATEGORIES))]
    crowd = bool(rng.random() < CROWDS)
    side = min(width, height)
    center, radius = rng.uniform(0, 1, 2) * (width, height), side * np.exp(rng.uniform(np.log(0.09), np.log(0.28)))
    surface = draw_surface(rng, (2.2 * SUPERSAMPLING, 7 * SUPERSAMPLING))
    places = center + _crowd(rng, side) if crowd else [center]
    radius = 0.04 * side if crowd else radius
    outlines = [_turned(OUTLINES[category](rng), rng.uniform(0, 2 * np.pi), radius, place) for place in places]
    return Shape(category, outlines, center, surface, crowd)


def _crowd(rng: np.random.Generator, side: int) -> np.ndarray:
    """Where the members of a crowd are, around its middle: in a grid with gaps. Shape: N 2."""
    rows, columns = np.mgrid[-1.5:2, -1.5:2]
    places = np.stack([columns, rows], -1).reshape(-1, 2) + rng.uniform(-0.15, 0.15, (16, 2))
    return 0.12 * side * places[rng.permutation(16)[: rng.integers(10, 17)]]


def _enclosed(line: np.ndarray) -> float:
    """The area inside a closed line, by the shoelace formula."""
    (x, y), (next_x, next_y) = line.T, np.roll(line, -1, 0).T
    return abs(float((x * next_y - y * next_x).sum())) / 2


def _turned(outline: Outline, angle: float, radius: float, center: np.ndarray) -> Outline:
    turn = radius * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [line @ turn + center for line in outline]
