"""The sky: a gradient and clouds."""

import numpy as np
from PIL import Image

from lab.toyscapes.canvas import SUPERSAMPLING, Canvas
from lab.toyscapes.classes import Label
from lab.toyscapes.light import Color
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
