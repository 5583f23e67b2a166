"""A scene: a street, what stands on it, and how it is seen."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from lab.toyscapes.camera import Camera
from lab.toyscapes.canvas import SUPERSAMPLING, Canvas
from lab.toyscapes.classes import IGNORE
from lab.toyscapes.light import Light
from lab.toyscapes.sky import paint_sky
from lab.toyscapes.street import Street, paint_ground

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
