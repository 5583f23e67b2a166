"""The 19 classes of Cityscapes, by train id, and the colors they are shown in."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

IGNORE = 255


class Label(IntEnum):
    """Cityscapes' train ids; 255 (`IGNORE`) is what no metric counts."""

    ROAD = 0
    SIDEWALK = 1
    BUILDING = 2
    WALL = 3
    FENCE = 4
    POLE = 5
    TRAFFIC_LIGHT = 6
    TRAFFIC_SIGN = 7
    VEGETATION = 8
    TERRAIN = 9
    SKY = 10
    PERSON = 11
    RIDER = 12
    CAR = 13
    TRUCK = 14
    BUS = 15
    TRAIN = 16
    MOTORCYCLE = 17
    BICYCLE = 18


CLASSES = tuple(label.name.lower().replace('_', ' ') for label in Label)

PALETTE = (
    (128, 64, 128),
    (244, 35, 232),
    (70, 70, 70),
    (102, 102, 156),
    (190, 153, 153),
    (153, 153, 153),
    (250, 170, 30),
    (220, 220, 0),
    (107, 142, 35),
    (152, 251, 152),
    (70, 130, 180),
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
)
"""Cityscapes' colors."""

_MOVED = {
    Label.WALL: (255, 160, 160),
    Label.FENCE: (255, 120, 80),
    Label.POLE: (0, 240, 200),
    Label.TRAFFIC_LIGHT: (240, 200, 80),
    Label.PERSON: (240, 40, 120),
    Label.CAR: (40, 40, 200),
    Label.TRUCK: (80, 0, 120),
    Label.BUS: (200, 200, 255),
    Label.TRAIN: (0, 40, 80),
    Label.MOTORCYCLE: (120, 0, 255),
    Label.BICYCLE: (120, 0, 0),
}
DISTINCT = tuple(_MOVED.get(label, color) for label, color in zip(Label, PALETTE, strict=True))
"""The same, but for classes that eyes, color-blind ones too, could not tell apart in a figure."""


def colorize(labels: np.ndarray, palette: Sequence[tuple[int, int, int]] = PALETTE) -> np.ndarray:
    """Paint ids in colors, black where ignored.

    Args:
        labels: ids and `IGNORE`. Shape: H W, uint8.
        palette: colors by id; Cityscapes' unless told otherwise.

    Returns:
        Colors. Shape: H W 3, uint8.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table[labels]
