"""The cross-section of a street, and the ground it makes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from lab.toyscapes.canvas import Canvas
from lab.toyscapes.classes import Label
from lab.toyscapes.light import Color
from lab.toyscapes.textures import noise

FAR = 400.0


@dataclass(frozen=True)
class Street:
    """A straight strip of road, sidewalks and grass; all lengths in metres.

    Args:
        half: half the width of the road.
        walks: width of the left and the right sidewalk.
        lawns: width of the grass behind the left and the right sidewalk; what follows is out of sight.
        lanes: x of the dashed lines.
        crossing: distance of a zebra crossing, or None.
        rails: x of the middle of a tramway, or None.
        asphalt: color of the road.
        pavement: color of the sidewalks.
        grass: color of the lawns.
        tile: side of a paving stone.
    """

    half: float
    walks: tuple[float, float]
    lawns: tuple[float, float]
    lanes: tuple[float, ...]
    crossing: float | None
    rails: float | None
    asphalt: Color
    pavement: Color
    grass: Color
    tile: float

    def edge(self, side: int) -> float:
        """Distance from the middle of the road to the end of the sidewalk, on `side` -1 (left) or 1 (right)."""
        return self.half + self.walks[side > 0]

    def plot(self, side: int) -> float:
        """Distance from the middle of the road to the building line."""
        return self.edge(side) + self.lawns[side > 0]


def paint_ground(canvas: Canvas, street: Street) -> None:
    """Paint everything below the horizon: asphalt, markings, paving stones, grass."""
    camera, light = canvas.camera, canvas.light
    top = int(camera.center[1]) + 1
    rows = np.arange(top, camera.height, dtype=np.float32) + 0.5
    z = (camera.focal * camera.y / (rows - camera.center[1]))[:, None].astype(np.float32)
    columns = np.arange(camera.width, dtype=np.float32) + np.float32(0.5 - camera.center[0])
    shift = np.float32(camera.x) - np.float32(camera.bend) * np.minimum(z, FAR) ** 2
    x = columns * (z / np.float32(camera.focal)) + shift
    left, right = np.float32(-street.edge(-1)), np.float32(street.edge(1))
    area = (np.abs(x) > street.half).astype(np.uint8) + ((x < left) | (x > right))
    tone = _grain(x, z, area)
    stones = area == 1
    tone[stones] -= _joints(street, x[stones], np.broadcast_to(z, x.shape)[stones], np.float32(camera.focal))
    # One table per channel colors all areas at once: 64 levels of brightness for each.
    index = Image.fromarray(64 * area + np.clip(32 + 32 * tone, 0, 63).astype(np.uint8))
    colors = [light.color(color, 0.0) for color in (street.asphalt, street.pavement, street.grass)]
    bands = [[min(255, color[k] * i // 32) for color in (*colors, (0, 0, 0)) for i in range(64)] for k in range(3)]
    ground = Image.merge('RGB', [index.point(band) for band in bands])
    haze = Image.fromarray((255 * (1 - np.exp(-z / np.float32(light.visibility)))).astype(np.uint8))
    ground.paste(tuple(int(c) for c in light.haze), mask=haze.resize(ground.size, Image.NEAREST))
    canvas.image.paste(ground, (0, top))
    table = np.uint8([Label.ROAD, Label.SIDEWALK, Label.TERRAIN])
    canvas.labels.paste(Image.fromarray(table[area]), (0, top))
    _paint_markings(canvas, street)


def _grain(x: np.ndarray, z: np.ndarray, area: np.ndarray) -> np.ndarray:
    depth = np.float32([0.05, 0.03, 0.16])[area]
    rows = (np.minimum(z, FAR) * 12).astype(np.int32) & 511
    columns = (x * 24).astype(np.int32) & 511
    return depth * noise(power=0.6, seed=5).ravel()[rows * 512 + columns]


def _joints(street: Street, x: np.ndarray, z: np.ndarray, focal: float) -> np.ndarray:
    """Darkness of the joints between paving stones and of the curb."""
    across, along = x / np.float32(street.tile), z / np.float32(street.tile)
    joint = (across - np.floor(across) < 0.1) | (along - np.floor(along) < 0.1)
    # Stones far smaller than a sample would only shimmer at random.
    visible = np.clip(np.float32(street.tile * 0.4) * focal / z - 0.5, 0, 1)
    curb = np.abs(x) < street.half + 0.14
    return np.float32(0.24) * visible * joint + np.float32(0.3) * curb


def _paint_markings(canvas: Canvas, street: Street) -> None:
    white, steel, edge = (226, 226, 220), (142, 144, 152), street.half - 0.35
    for x in (-edge, edge):
        _stripe(canvas, x, 0.12, np.geomspace(1, 120, 40), white)
    if street.rails is not None:
        for x in (street.rails - 0.72, street.rails + 0.72):
            _stripe(canvas, x, 0.12, np.geomspace(1, 120, 40), steel)
    for x in street.lanes:
        for near in np.arange(0, 120, 6.0):
            _stripe(canvas, x, 0.15, np.array([max(near, 1.0), near + 3]), white)
    if street.crossing is not None:
        for x in np.arange(0.45 - edge, edge - 0.3, 0.9):
            _stripe(canvas, x, 0.45, street.crossing + np.array([0, 3.2]), white)
        _stripe(canvas, edge / 2, edge - 0.2, street.crossing - np.array([1.6, 1.2]), white)


def _stripe(canvas: Canvas, x: float, width: float, z: np.ndarray, color: Color) -> None:
    """Paint a stripe along the road, centered at `x`, through the given depths."""
    sides = [np.stack([np.full_like(z, x + offset), 0 * z, z], -1) for offset in (-width / 2, width / 2)]
    left, right = (canvas.camera.project(side) for side in sides)
    for i, depth in enumerate(z[:-1].tolist()):
        tone = canvas.light.color(color, depth)
        canvas.polygon([left[i], left[i + 1], right[i + 1], right[i]], tone, None)
