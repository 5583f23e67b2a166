"""Houses along the street: facades with bricks, windows, doors, roofs."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from lab.toyscapes.canvas import Canvas
from lab.toyscapes.classes import Label
from lab.toyscapes.light import Color, mix
from lab.toyscapes.textures import bricks, colored, density, level_for, plaster

WALLS = (
    (176, 96, 74),
    (150, 78, 66),
    (196, 144, 104),
    (214, 190, 150),
    (222, 206, 184),
    (168, 172, 176),
    (196, 122, 92),
    (190, 176, 170),
    (146, 154, 164),
    (206, 168, 120),
)
GLASS, LAMP = (58, 74, 94), (255, 214, 140)
AWNINGS = ((178, 52, 48), (44, 92, 84), (208, 150, 60), (60, 76, 120))


@dataclass(frozen=True)
class House:
    """A block along the street; all lengths in metres.

    Args:
        side: -1 left of the road, 1 right of it.
        x: distance of its facade from the middle of the road.
        near: z of its near corner.
        far: z of its far corner.
        storeys: number of storeys above the ground floor.
        color: color of the wall.
        surface: 'brick', 'plaster' or 'office'.
        bay: width of a window with its share of the wall.
        roof: height of a pitched roof, 0 for a flat one.
        seed: decides which windows are lit.
    """

    side: int
    x: float
    near: float
    far: float
    storeys: int
    color: Color
    surface: str
    bay: float
    roof: float
    seed: int

    @property
    def height(self) -> float:
        """Height of the eaves."""
        return 4.0 + 3.1 * self.storeys


def paint_house(canvas: Canvas, house: House) -> None:
    """Paint the gable that faces the viewer, then the roof and the facade along the street."""
    x, depth = house.side * house.x, 14.0
    outer = x + house.side * depth
    gable = np.array([[outer, house.near], [x, house.near]])
    front = np.array([[x, house.near], [x, house.far]])
    if house.side > 0:
        gable, front = gable[::-1], front[::-1]
    if house.roof:
        _roof(canvas, house, x, outer)
    _face(canvas, house, gable, windows=False)
    _face(canvas, house, front, windows=True)


def _roof(canvas: Canvas, house: House, x: float, outer: float) -> None:
    color = mix((150, 78, 60), (84, 82, 92), (house.seed % 7) / 6)
    ridge, top = (x + outer) / 2, house.height + house.roof
    eaves = x - house.side * 0.4
    slope = [[eaves, house.height, house.near], [eaves, house.height, house.far]]
    slope += [[ridge, top, house.far], [ridge, top, house.near]]
    gable = [[x, house.height, house.near], [ridge, top, house.near], [outer, house.height, house.near]]
    light, project = canvas.light, canvas.camera.project
    canvas.polygon(project(slope), light.color(color, house.near), Label.BUILDING)
    normal = np.array([0.0, 0.0, -1.0])
    canvas.polygon(project(gable), light.color(house.color, house.near, light.shade(normal)), Label.BUILDING)


def _face(canvas: Canvas, house: House, ends: np.ndarray, windows: bool) -> None:
    """Paint one wall; `ends` are x and z of its left and right end as the viewer sees them. Shape: 2 2."""
    (x0, z0), (x1, z1) = ends
    corners = [[x0, house.height, z0], [x1, house.height, z1], [x1, 0, z1], [x0, 0, z0]]
    pixels = canvas.camera.project(np.array(corners))
    if pixels[:, 0].max() < 0 or pixels[:, 0].min() > canvas.camera.width:
        return
    normal = np.array([-house.side, 0.0, 0.0]) if windows else np.array([0.0, 0.0, -1.0])
    # The nearest visible part decides how fine the texture has to be.
    width, (middle, _) = canvas.camera.width, canvas.camera.center
    near = max(house.near, house.x * canvas.camera.focal / max(middle, width - middle))
    z = (2 * near + house.far) / 3 if windows else house.near
    paint = functools.cache(functools.partial(canvas.light.color, z=z, shade=canvas.light.shade(normal)))
    level = level_for(canvas.camera.scale(near))
    length = float(np.hypot(x1 - x0, z1 - z0))
    canvas.warp(facade(house, length, level, paint, canvas.light.lamps, windows), pixels, Label.BUILDING)


def facade(
    house: House, length: float, level: int, paint: Callable[[Color], Color], lamps: float, windows: bool
) -> Image.Image:
    """Paint a wall seen from the front.

    Args:
        house: what it looks like.
        length: length of the wall in metres.
        level: fineness, `textures.density(level)` pixels per metre.
        paint: turns the color of a thing into the one it shows in this light.
        lamps: share of windows that are lit.
        windows: whether it has any.
    """
    size = (max(4, round(length * density(level))), max(4, round(house.height * density(level))))
    surface = bricks(level, (0.42, 0.14)) if house.surface == 'brick' else plaster()
    image = colored(surface.crop((0, 0, *size)), paint(house.color))
    draw = _Metres(image, density(level), house.height, paint)
    dark, pale = mix(house.color, (30, 30, 36), 0.4), mix(house.color, (250, 246, 238), 0.65)
    draw.box(0, house.height - 0.45, length, house.height, pale if house.surface != 'office' else dark)
    if windows:
        _windows(draw, house, length, lamps, pale)
    return image


class _Metres:
    """Draws boxes on a wall in metres, y up from the ground."""

    def __init__(self, image: Image.Image, scale: float, height: float, paint: Callable[[Color], Color]) -> None:
        self.draw, self.scale, self.height, self.paint = ImageDraw.Draw(image), scale, height, paint

    def box(self, left: float, low: float, right: float, high: float, color: Color) -> None:
        scale, top = self.scale, self.height
        if min(right - left, high - low) * scale < 0.4:
            return
        box = [round(left * scale), round((top - high) * scale), round(right * scale), round((top - low) * scale)]
        self.draw.rectangle(box, fill=self.paint(color))


def _windows(draw: _Metres, house: House, length: float, lamps: float, trim: Color) -> None:
    rng = np.random.default_rng(house.seed)
    count = max(1, int(length / house.bay))
    bay = length / count
    lit = rng.random((house.storeys + 1, count)) < lamps
    tone = rng.integers(0, 6, (house.storeys + 1, count)) / 5
    wide, high = (0.9, 2.3) if house.surface == 'office' else (0.55, 1.7)
    awning = AWNINGS[house.seed % len(AWNINGS)] if house.seed % 5 < 3 else None
    draw.box(0, 3.55, length, 3.75, trim)
    for column in range(count):
        center = (column + 0.5) * bay
        half = bay * wide / 2
        _shop(draw, center, bay * 0.42, bool(lit[0, column]), awning)
        for storey in range(1, house.storeys + 1):
            low = 4.0 + 3.1 * (storey - 1) + 0.75
            glass = LAMP if lit[storey, column] else mix(GLASS, (150, 180, 205), 0.6 * tone[storey, column])
            draw.box(center - half - 0.1, low - 0.14, center + half + 0.1, low + high + 0.08, trim)
            draw.box(center - half, low, center + half, low + high, glass)
            draw.box(center - 0.03, low, center + 0.03, low + high, trim)
            draw.box(center - half, low + 0.62 * high, center + half, low + 0.62 * high + 0.05, trim)
            if house.seed % 3 == 0 and house.surface != 'office':
                _balcony(draw, center, half + 0.25, low - 0.3)


def _shop(draw: _Metres, center: float, half: float, lit: bool, awning: Color | None) -> None:
    draw.box(center - half, 0.45, center + half, 2.9, (44, 46, 52))
    draw.box(center - half + 0.08, 0.6, center + half - 0.08, 2.8, LAMP if lit else (92, 112, 128))
    if awning is not None:
        stripe = half / 4
        for i in range(8):
            left = center - half + i * stripe
            draw.box(left, 2.55, left + stripe, 3.2, awning if i % 2 else (240, 236, 226))


def _balcony(draw: _Metres, center: float, half: float, low: float) -> None:
    draw.box(center - half, low, center + half, low + 0.1, (60, 60, 66))
    draw.box(center - half, low + 0.92, center + half, low + 1.0, (48, 48, 54))
    for x in np.arange(center - half, center + half + 0.01, 0.16):
        draw.box(x, low, x + 0.035, low + 0.95, (48, 48, 54))
