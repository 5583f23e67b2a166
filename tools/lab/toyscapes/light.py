"""Time of day: the colors of sky, sun and haze."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]


def mix(first: Color, second: Color, share: float) -> Color:
    """Blend two colors; `share` is that of the second."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


@dataclass(frozen=True)
class Light:
    """How a scene is lit.

    Args:
        zenith: color of the sky overhead.
        horizon: color of the sky at the horizon.
        cloud: color of the clouds.
        haze: color that distant things fade to.
        tint: factor per channel for what the sun reaches.
        shadow: opacity of cast shadows, 0 to 1.
        cover: share of the sky with clouds, 0 to 1.
        visibility: metres after which haze takes 63 %.
        lamps: share of windows that are lit.
        sun: unit vector towards the sun. Shape: 3.
    """

    zenith: Color
    horizon: Color
    cloud: Color
    haze: Color
    tint: Color
    shadow: float
    cover: float
    visibility: float
    lamps: float
    sun: tuple[float, float, float] = (0.5, 0.7, -0.5)

    def fade(self, z: float) -> float:
        """Share of the haze in the color of a thing at depth `z`."""
        return 1 - math.exp(-max(z, 0.0) / self.visibility)

    def color(self, color: Color, z: float, shade: float = 1.0) -> tuple[int, int, int]:
        """The color in which something shows at depth `z`, as 8-bit integers."""
        fade = self.fade(z)
        sun = shade * (1 - fade)
        channels = zip(color, self.tint, self.haze, strict=True)
        return tuple([int(min(255.0, c * t * sun + h * fade)) for c, t, h in channels])

    def shade(self, normal: np.ndarray) -> float:
        """Brightness of a surface with the unit vector `normal`: ambient light plus the sun's."""
        sun = max(0.0, float(normal @ np.asarray(self.sun)))
        return 0.66 + 0.1 * float(normal[1]) + (0.2 + 0.28 * self.shadow) * sun


TIMES = {
    'morning': Light(
        zenith=(104, 160, 214),
        horizon=(240, 226, 206),
        cloud=(255, 250, 240),
        haze=(214, 219, 224),
        tint=(1.03, 0.99, 0.93),
        shadow=0.42,
        cover=0.45,
        visibility=130.0,
        lamps=0.1,
    ),
    'noon': Light(
        zenith=(62, 128, 206),
        horizon=(190, 219, 240),
        cloud=(255, 255, 255),
        haze=(196, 214, 230),
        tint=(1.04, 1.03, 1.0),
        shadow=0.5,
        cover=0.35,
        visibility=190.0,
        lamps=0.02,
    ),
    'overcast': Light(
        zenith=(160, 172, 186),
        horizon=(216, 220, 222),
        cloud=(236, 238, 240),
        haze=(202, 208, 212),
        tint=(0.92, 0.94, 0.97),
        shadow=0.16,
        cover=0.9,
        visibility=100.0,
        lamps=0.15,
    ),
    'golden': Light(
        zenith=(96, 124, 186),
        horizon=(255, 206, 150),
        cloud=(255, 226, 196),
        haze=(238, 198, 160),
        tint=(1.1, 0.95, 0.78),
        shadow=0.5,
        cover=0.5,
        visibility=110.0,
        lamps=0.3,
    ),
    'dusk': Light(
        zenith=(52, 62, 118),
        horizon=(236, 150, 128),
        cloud=(196, 140, 160),
        haze=(150, 124, 150),
        tint=(0.72, 0.68, 0.8),
        shadow=0.25,
        cover=0.5,
        visibility=110.0,
        lamps=0.6,
    ),
}
CHANCES = {'morning': 0.22, 'noon': 0.32, 'overcast': 0.18, 'golden': 0.18, 'dusk': 0.1}


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a time of day, the sun's direction and the weather."""
    light = TIMES[rng.choice(list(CHANCES), p=list(CHANCES.values()))]
    azimuth, height = rng.uniform(0, 2 * math.pi), rng.uniform(0.45, 0.95)
    sun = np.array([math.cos(azimuth), height, math.sin(azimuth)])
    return dataclasses.replace(
        light,
        sun=tuple((sun / np.linalg.norm(sun)).tolist()),
        cover=light.cover * rng.uniform(0.5, 1.1),
        visibility=light.visibility * rng.uniform(0.8, 1.3),
    )
