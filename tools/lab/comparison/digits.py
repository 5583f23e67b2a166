"""Scikit-learn's handwritten digits, enlarged. Needs scikit-learn."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from lab.comparison.recipe import Recipe

SIDE, CLASSES = 32, 10
# Gray levels of the data set are 0 to 16.
_WHITE = 16


class Labelled(NamedTuple):
    """Images (N, 1, 32, 32) from 0, the background, to 1, and their labels (N,)."""

    images: Tensor
    labels: Tensor


def digits(recipe: Recipe) -> tuple[Labelled, Labelled]:
    """Return the training and the test images: the first and the last of the data set, in its own order.

    They are scans of handwriting, 8 x 8 pixels, enlarged by bilinear interpolation.

    Args:
        recipe: says how many.
    """
    data = load_digits()
    images = torch.from_numpy(data.images).float()[:, None] / _WHITE
    images = F.interpolate(images, size=(SIDE, SIDE), mode='bilinear', align_corners=False)
    labels = torch.from_numpy(data.target).long()
    first, last = slice(recipe.train_images), slice(len(labels) - recipe.test_images, None)
    return Labelled(images[first], labels[first]), Labelled(images[last], labels[last])
