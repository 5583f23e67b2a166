"""Generator of scenes: a picture and its labels from a seed."""

import numpy as np
from PIL import Image

from lab.toyscapes.light import draw_light
from lab.toyscapes.roadside import fill_side
from lab.toyscapes.scene import Scene, View, vary
from lab.toyscapes.street import Street
from lab.toyscapes.traffic import fill_road

SPLITS = ('train', 'val')


def render_scene(seed: int, split: str, index: int, width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """Paint one scene.

    Args:
        seed: seed of the data set, not negative.
        split: 'train' or 'val'.
        index: number of the scene in its split, not negative.
        width: width of the picture in pixels.
        height: height of the picture in pixels; it changes the resolution, not what is in the scene.

    Returns:
        Picture (RGB) and labels (train ids and 255, one byte a pixel), a function of the arguments alone.

    Example:
        >>> picture, labels = render_scene(0, 'train', 0, 64, 32)
        >>> picture.size, picture.mode, labels.mode
        ((64, 32), 'RGB', 'L')
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    return draw_scene(rng).render(width, height)


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw a street, its weather, a viewpoint and everything on it."""
    street, light = _draw_street(rng), draw_light(rng)
    roomy = {-1: street.half > 5.4 and street.rails is None, 1: street.half > 5.4}
    parking = {side: room and bool(rng.random() < 0.6) for side, room in roomy.items()}
    scene = Scene(street, light, _draw_view(rng, street), parking)
    for side in (-1, 1):
        fill_side(scene, rng, side)
    fill_road(scene, rng)
    return scene


def _draw_view(rng: np.random.Generator, street: Street) -> View:
    return View(
        x=rng.uniform(0.15, 0.6) * street.half,
        y=rng.uniform(1.45, 2.3),
        bend=rng.normal(0, 0.0006),
        center=(rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.5)),
        focal=rng.uniform(1.25, 1.7),
        clouds=tuple(rng.integers(0, 1024, 2).tolist()),
        hood=bool(rng.random() < 0.4),
    )


def _draw_street(rng: np.random.Generator) -> Street:
    half = rng.uniform(4.0, 7.2)
    gray, warm, tone = rng.uniform(84, 118), rng.uniform(-4, 6), rng.uniform(0.9, 1.1)
    return Street(
        half=half,
        walks=tuple(rng.uniform(1.8, 4.2, 2).tolist()),
        lawns=tuple((rng.uniform(0, 5, 2) * (rng.random(2) < 0.6)).tolist()),
        lanes=(0.0,) if half < 5.6 else (-half / 2, 0.0, half / 2),
        crossing=rng.uniform(9, 26) if rng.random() < 0.5 else None,
        rails=-half / 2 - 0.2 if half > 4.6 and rng.random() < 0.5 else None,
        asphalt=(gray + warm, gray, gray - warm + 4),
        pavement=tuple(c * tone for c in (196, 178, 164)),
        grass=vary(rng, (142, 172, 82)),
        tile=rng.uniform(0.4, 0.8),
    )
