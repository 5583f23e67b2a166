"""Surfaces of shapes: patterns so fine that a network which subsamples carelessly aliases them.

Coordinates have shape H W and are in pixels of the canvas; a pattern is the share of the second color, 0 to 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lab.toyscapes.light import Color, mix
from lab.toyscapes.textures import noise

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]


def stripes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Stripes of period 1 across `u`."""
    return (u % 1 < 0.5).astype(float)


def checker(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Squares of side 1/2."""
    return ((u % 1 < 0.5) ^ (v % 1 < 0.5)).astype(float)


def dots(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Round dots, one in each square of side 1."""
    return (np.hypot(u % 1 - 0.5, v % 1 - 0.5) < 0.33).astype(float)


def ripples(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Rings of period 1 around the origin."""
    return (np.hypot(u, v) % 1 < 0.5).astype(float)


def speckle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Noise whose amplitude falls with frequency."""
    grain = noise(256)
    return np.clip(0.5 + 0.35 * grain[(16 * u).astype(int) % 256, (16 * v).astype(int) % 256], 0, 1)


PATTERNS: tuple[Pattern, ...] = (stripes, checker, dots, ripples, speckle)


@dataclass(frozen=True)
class Surface:
    """A pattern in two colors.

    Args:
        pattern: one of `PATTERNS`.
        period: its period in pixels of the canvas.
        angle: its direction in radians.
        colors: of what the pattern leaves and of what it covers.
    """

    pattern: Pattern
    period: float
    angle: float
    colors: tuple[Color, Color]

    def paint(self, box: list[int], center: np.ndarray) -> Image.Image:
        """Paint the pixels of a box, left, top, right, bottom, with the pattern's origin at `center`."""
        x = (np.arange(box[0], box[2]) - center[0])[None]
        y = (np.arange(box[1], box[3]) - center[1])[:, None]
        cosine, sine = np.cos(self.angle) / self.period, np.sin(self.angle) / self.period
        share = self.pattern(x * cosine + y * sine, y * cosine - x * sine)[..., None]
        first, second = np.array(self.colors, float)
        return Image.fromarray(np.rint(first + share * (second - first)).astype(np.uint8))


def draw_surface(rng: np.random.Generator, period: tuple[float, float]) -> Surface:
    """Draw a pattern, its direction, a period between two, and a pair of colors that can be told apart."""
    color = tuple(rng.uniform(20, 235, 3).tolist())
    other = (250, 246, 238) if sum(color) < 384 else (24, 24, 32)
    colors = (color, mix(color, other, rng.uniform(0.45, 0.9)))
    return Surface(PATTERNS[rng.integers(len(PATTERNS))], rng.uniform(*period), rng.uniform(0, np.pi), colors)
