"""Surfaces with fine detail: noise, bricks, facades, leaves."""

import functools

import numpy as np
from PIL import Image, ImageDraw

from lab.toyscapes.light import Color, Light

TILE, CROWN, LEAVES = 1024, 384, 4200


@functools.cache
def noise(size: int = 512, power: float = 1.0, seed: int = 0) -> np.ndarray:
    """Noise that tiles, with amplitude proportional to frequency to the `-power`.

    Returns:
        Values with mean 0 and standard deviation 1. Shape: size size, float32.
    """
    white = np.random.default_rng([size, seed]).standard_normal((size, size))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) * size
    spectrum = np.fft.rfft2(white) / np.maximum(frequency, 1) ** power
    spectrum[0, 0] = 0
    values = np.fft.irfft2(spectrum, (size, size))
    return (values / values.std()).astype(np.float32)


@functools.cache
def crown(kind: str, variant: int) -> tuple[Image.Image, Image.Image]:
    """Paint the leaves of a tree as brightness and mask.

    Args:
        kind: 'round', 'conifer' or 'bush'.
        variant: each number is another tree.

    Returns:
        Brightness and mask, both one byte a pixel, `CROWN` pixels square.
    """
    rng = np.random.default_rng([variant, len(kind)])
    x, y, light = _cone(rng) if kind == 'conifer' else _blobs(rng, flat=0.62 if kind == 'bush' else 1.0)
    light = np.clip(light + rng.normal(0, 0.09, LEAVES), 0.05, 1) * 255
    brightness, mask = Image.new('L', (CROWN, CROWN), 40), Image.new('L', (CROWN, CROWN))
    draw, cover = ImageDraw.Draw(brightness), ImageDraw.Draw(mask)
    middle, half = CROWN * np.stack([x, y], -1), CROWN * rng.uniform(0.0095, 0.0215, (LEAVES, 2))
    for box, tone in zip(np.concatenate([middle - half, middle + half], -1).tolist(), light.tolist(), strict=True):
        draw.ellipse(box, fill=int(tone))
        cover.ellipse(box, fill=255)
    return brightness, mask


def _cone(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leaves in tiers: across and down from 0 to 1, and brightness, from back to front. Shape of each: LEAVES."""
    height, depth = np.sqrt(rng.uniform(0.002, 1, LEAVES)), np.linspace(0, 1, LEAVES)
    tier = (height * 7) % 1
    x = 0.5 + 0.44 * height * (0.72 + 0.28 * tier) * rng.uniform(-1, 1, LEAVES)
    return x, 0.03 + 0.92 * height, 0.45 + 0.35 * depth + 0.25 * (tier - 0.5)


def _blobs(rng: np.random.Generator, flat: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leaves in eleven round clusters, lit from above; as `_cone`."""
    middle, radius = rng.uniform([0.26, 1 - 0.72 * flat], [0.74, 0.72], (11, 2)), rng.uniform(0.13, 0.24, 11)
    blob, depth = rng.integers(0, 11, LEAVES), np.linspace(0, 1, LEAVES)
    angle, distance = rng.uniform(0, 2 * np.pi, LEAVES), np.sqrt(rng.uniform(0, 1, LEAVES))
    across, down = distance * np.cos(angle), distance * np.sin(angle)
    x, y = middle[blob, 0] + radius[blob] * across, middle[blob, 1] + radius[blob] * down
    return x, y, 0.5 + 0.3 * depth - 0.9 * (y - 0.5) + 0.35 * (x - 0.5) - 0.25 * down


def leafy(brightness: Image.Image, color: Color, light: Light, z: float) -> Image.Image:
    """Color a one-byte image for depth `z`: dark and cool in the shadows, `color` in the middle, warm in the light."""
    level, fade = np.linspace(0, 1, 256), light.fade(z)
    bands = []
    for value, tint, haze, cool, warm in zip(color, light.tint, light.haze, (8, 14, 26), (40, 34, 0), strict=True):
        curve = (value * (0.25 + 1.05 * level) + cool * (1 - level) + warm * level**2) * tint
        bands.append(brightness.point(np.clip(curve + fade * (haze - curve), 0, 255).astype(int).tolist()))
    return Image.merge('RGB', bands)


@functools.cache
def bricks(level: int, brick: tuple[float, float]) -> Image.Image:
    """Lay bricks in running bond, as brightness: 128 is the mean of a brick, joints are 200.

    Args:
        level: fineness, `density(level)` pixels per metre.
        brick: length and height of a brick in metres.

    Returns:
        Brightness, one byte a pixel, `TILE` pixels square.
    """
    metres = np.arange(TILE, dtype=np.float32) / density(level)
    across, down = metres / brick[0], metres / brick[1]
    course = down.astype(int)
    position = across + 0.5 * (course[:, None] % 2)
    column = position.astype(int)
    tone = 128 + 12 * noise()[course[:, None] % 512, column % 512]
    joint = (position - column < 0.07) | ((down - course)[:, None] < 0.17)
    return Image.fromarray(np.where(joint, 200, np.clip(tone, 80, 180)).astype(np.uint8))


@functools.cache
def plaster() -> Image.Image:
    """A plain surface with faint stains, as brightness around 128, `TILE` pixels square."""
    tone = 128 + 5 * np.tile(noise(power=1.0, seed=3), (2, 2))
    return Image.fromarray(np.clip(tone, 0, 255).astype(np.uint8))


def density(level: int) -> float:
    """Pixels per metre of a texture; each level is 1.4 times as fine as the one below."""
    return 5 * 2 ** (level / 2)


def level_for(pixels_per_metre: float) -> int:
    """The level of textures to be seen at this many pixels per metre; the finest of all still fits a house."""
    return int(np.clip(round(2 * np.log2(pixels_per_metre / 5)), 0, 6))


def colored(brightness: Image.Image, color: Color) -> Image.Image:
    """Color a one-byte image whose 128 stands for `color`."""
    return Image.merge('RGB', [brightness.point(ramp(value)) for value in color])


@functools.lru_cache(4096)
def ramp(value: int) -> list[int]:
    """Table of one channel that maps 128 to `value`."""
    return [min(255, i * int(value) // 128) for i in range(256)]
