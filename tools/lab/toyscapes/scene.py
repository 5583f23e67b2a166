"""A street scene: what stands where, the sky above it, and the order in which all of it is painted."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from lab.toyscapes.canvas import SUPERSAMPLING, Camera, Canvas
from lab.toyscapes.classes import IGNORE, Label
from lab.toyscapes.light import Color, Light
from lab.toyscapes.street import Street, paint_ground
from lab.toyscapes.textures import noise


def paint_sky(canvas: Canvas, drift: tuple[int, int]) -> None:
    """Fill the canvas with sky.

    Args:
        canvas: what is painted on.
        drift: where in the endless cloud field this sky lies.
    """
    camera, light = canvas.camera, canvas.light
    width, height = camera.width // SUPERSAMPLING, int(camera.center[1]) // SUPERSAMPLING + 2
    up = np.clip(1 - np.arange(height, dtype=np.float32) * SUPERSAMPLING / camera.center[1], 0, 1)
    # Clouds lie on a plane overhead, so that they flatten out towards the horizon.
    distance = 1 / (up + 0.22)
    side = np.linspace(-1, 1, width, dtype=np.float32) * camera.width / camera.height
    rows = (distance * 230 + drift[0]).astype(int) % 1024
    columns = (side * distance[:, None] * 75 + drift[1]).astype(int) % 1024
    cloud = np.clip((noise(1024, 1.6, 7)[rows[:, None], columns] + 2.6 * light.cover - 1.5) * 0.9, 0, 1)
    cloud *= np.clip(up * 5, 0, 1)[:, None] * 0.9
    sky = Image.new('RGB', (width, height), _whole(light.horizon))
    sky.paste(_whole(light.zenith), mask=_mask(np.broadcast_to(up[:, None] ** 0.75, cloud.shape)))
    sky.paste(_whole(light.cloud), mask=_mask(cloud))
    canvas.image.paste(sky.resize((width * SUPERSAMPLING, height * SUPERSAMPLING), Image.BILINEAR))
    canvas.labels.paste(int(Label.SKY), (0, 0, camera.width, camera.height))


def _mask(share: np.ndarray) -> Image.Image:
    return Image.fromarray((share * 255).astype(np.uint8))


def _whole(color: Color) -> tuple[int, int, int]:
    return tuple(int(c) for c in color)


# Seen from the road, what is farther from its middle lies behind, however near it begins.
BACKGROUND, HOUSES, BORDER, WALK, CURB, ROAD = range(6)


@dataclass(frozen=True)
class View:
    """Where the viewer stands and looks, whatever the size of the picture.

    Args:
        x: lateral position on the road, in metres.
        y: height of the eyes, in metres.
        bend: curvature of the road, see `Camera`.
        center: vanishing point in shares of width and height.
        focal: focal length in heights of the picture.
        clouds: where in the cloud field the sky lies.
        hood: whether the viewer's own car shows.
    """

    x: float
    y: float
    bend: float
    center: tuple[float, float]
    focal: float
    clouds: tuple[int, int]
    hood: bool

    def camera(self, width: int, height: int) -> Camera:
        """The camera that takes a picture of a size in pixels."""
        center = (self.center[0] * width, self.center[1] * height)
        return Camera(width, height, self.focal * height, center, self.x, self.y, self.bend)


@dataclass
class Scene:
    """A street and the things on it.

    Args:
        street: the ground.
        light: time of day.
        view: viewpoint.
        parking: for -1 (left) and 1 (right) whether cars park there.
        things: layer, depth in metres and painter of each thing.
    """

    street: Street
    light: Light
    view: View
    parking: dict[int, bool]
    things: list[tuple[int, float, Callable[[Canvas], None]]] = field(default_factory=list)

    def add(self, layer: int, z: float, paint: Callable, **arguments: object) -> None:
        """Place a thing at depth `z` of a layer; `paint(canvas, **arguments)` paints it."""
        self.things.append((layer, z, functools.partial(paint, **arguments)))

    def render(self, width: int, height: int) -> tuple[Image.Image, Image.Image]:
        """Paint the scene at a size in pixels; returns picture and labels."""
        camera = self.view.camera(width * SUPERSAMPLING, height * SUPERSAMPLING)
        canvas = Canvas(camera, self.light)
        paint_sky(canvas, self.view.clouds)
        paint_ground(canvas, self.street)
        for _, _, paint in sorted(self.things, key=lambda thing: (thing[0], -thing[1])):
            paint(canvas)
        if self.view.hood:
            _paint_hood(canvas)
        return canvas.finish()


def _paint_hood(canvas: Canvas) -> None:
    """Paint the front of the viewer's own car, which no metric counts."""
    angle = np.linspace(0, math.pi, 49)
    for lift, color in ((0.075, (28, 32, 40)), (0.066, (52, 60, 74)), (0.05, (36, 42, 54))):
        arc = np.stack([0.5 + 0.56 * np.cos(angle), 1.0 - lift * np.sqrt(np.abs(np.sin(angle)))], -1)
        size = (canvas.camera.width, canvas.camera.height)
        canvas.polygon(arc * size, canvas.light.color(color, 0.0), IGNORE)


def pick(rng: np.random.Generator, choices: tuple) -> tuple:
    """Draw one of several colors, or of anything that is no array."""
    return choices[int(rng.integers(len(choices)))]


def vary(rng: np.random.Generator, color: tuple[float, float, float]) -> tuple[float, float, float]:
    """Draw a color close to another."""
    return tuple(np.clip(np.array(color) * rng.uniform(0.9, 1.1) + rng.normal(0, 5, 3), 0, 255).tolist())
