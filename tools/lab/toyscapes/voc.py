"""The 21 classes of PASCAL VOC, its colors, and how a street scene is labelled with them. Labels have shape H W."""

import numpy as np
from PIL import Image, ImageFilter

from lab.toyscapes.classes import IGNORE, Label

CLASSES = (
    'background',
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
)

# Whatever VOC has no class for is its background, trucks included; a rider is a person.
NAMES = {
    Label.PERSON: 'person',
    Label.RIDER: 'person',
    Label.CAR: 'car',
    Label.BUS: 'bus',
    Label.TRAIN: 'train',
    Label.MOTORCYCLE: 'motorbike',
    Label.BICYCLE: 'bicycle',
}


def _color(index: int) -> tuple[int, int, int]:
    """VOC's rule: the bits of an id, lowest first, go in turn to red, green and blue, each channel's highest first."""
    return tuple(sum((index >> 3 * bit + channel & 1) << 7 - bit for bit in range(3)) for channel in range(3))


PALETTE = tuple(_color(index) for index in range(256))


def from_train_ids(labels: np.ndarray) -> np.ndarray:
    """Turn Cityscapes' train ids into VOC's; what is ignored stays so. uint8."""
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    for label, name in NAMES.items():
        table[label] = CLASSES.index(name)
    return table[labels]


def with_borders(labels: np.ndarray) -> np.ndarray:
    """Leave the borders of all objects unlabelled, as VOC's annotators did, 1 % of the longer side wide. uint8."""
    width = 2 * max(1, round(max(labels.shape) / 250)) + 1
    image = Image.fromarray(labels)
    highest, lowest = (
        np.asarray(image.filter(extreme(width))) for extreme in (ImageFilter.MaxFilter, ImageFilter.MinFilter)
    )
    return np.where(highest != lowest, np.uint8(IGNORE), labels)
