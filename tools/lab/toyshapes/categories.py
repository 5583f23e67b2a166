"""The eight categories, their outlines and the colors they are shown in.

An outline is a list of closed lines around the origin: the border of a shape, and those of its holes. Each has shape
N 2 and lies in the unit circle.
"""

from collections.abc import Callable

import numpy as np

Outline = list[np.ndarray]


def disc(rng: np.random.Generator) -> Outline:
    """A circle."""
    return [_circle(1.0)]


def ring(rng: np.random.Generator) -> Outline:
    """A circle with a round hole."""
    return [_circle(1.0), _circle(rng.uniform(0.45, 0.65))]


def moon(rng: np.random.Generator) -> Outline:
    """A crescent: a circle without the part that another one covers."""
    tip = rng.uniform(0.25, 0.45)
    outer = np.linspace(np.arccos(tip), 2 * np.pi - np.arccos(tip), 33)
    height = np.sqrt(1 - tip**2)
    inner = np.linspace(-1, 1, 25)[1:-1] * height
    bulge = tip - 0.75 * np.sqrt(np.maximum(height**2 - inner**2, 0))
    return [np.concatenate([np.stack([np.cos(outer), np.sin(outer)], -1), np.stack([bulge, inner], -1)])]


def triangle(rng: np.random.Generator) -> Outline:
    """A triangle of two equal sides."""
    return [_polar(1.0, np.array([0.0, 1.0, -1.0]) * rng.uniform(1.85, 2.35))]


def box(rng: np.random.Generator) -> Outline:
    """A rectangle."""
    angle = np.arctan(rng.uniform(0.5, 1.0))
    return [_polar(1.0, np.array([angle, np.pi - angle, np.pi + angle, -angle]))]


def cross(rng: np.random.Generator) -> Outline:
    """A plus sign."""
    arm = rng.uniform(0.25, 0.38)
    quarter = np.array([[0.92, arm], [arm, arm], [arm, 0.92]])
    turn = np.array([[0, 1], [-1, 0]])
    return [np.concatenate([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)])]


def star(rng: np.random.Generator) -> Outline:
    """Five points."""
    radius = np.where(np.arange(10) % 2, rng.uniform(0.42, 0.55), 1.0)
    return [_polar(radius, np.arange(10) * np.pi / 5)]


def arrow(rng: np.random.Generator) -> Outline:
    """A head and a shaft."""
    wide, neck = rng.uniform(0.6, 0.75), rng.uniform(-0.1, 0.15)
    half = np.array([[1.0, 0.0], [neck, wide], [neck, 0.3 * wide], [-0.92, 0.3 * wide]])
    return [np.concatenate([half, half[:0:-1] * (1, -1)])]


OUTLINES: dict[str, Callable[[np.random.Generator], Outline]] = {
    outline.__name__: outline for outline in (disc, ring, moon, triangle, box, cross, star, arrow)
}
CATEGORIES = tuple(OUTLINES)
PALETTE = (
    (230, 80, 70),
    (245, 160, 40),
    (235, 220, 60),
    (110, 190, 70),
    (60, 180, 190),
    (70, 120, 220),
    (150, 90, 210),
    (225, 100, 175),
)


def _circle(radius: float) -> np.ndarray:
    return _polar(radius, np.arange(48) * np.pi / 24)


def _polar(radius: float | np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
