import random

import numpy as np
import pytest
import torch

from antialias_plugins.openmmlab.segmentation.data import TorchvisionColorJitter

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)  # BGR
LUMA = np.array([0.114, 0.587, 0.299])  # of ITU-R 601, for BGR


def jitter(image=IMAGE, **ranges):
    return TorchvisionColorJitter(**ranges)({'img': image.copy()})['img']


@pytest.mark.parametrize('factor', [0.5, 0.8, 1.5])
@pytest.mark.parametrize('kind', ['brightness', 'contrast', 'saturation'])
def test_formula(kind, factor):
    """Each blends the image with black, its mean grey, or the grey of every pixel."""
    grey = IMAGE @ LUMA
    other = {'brightness': 0, 'contrast': grey.mean(), 'saturation': grey[..., None]}[kind]
    expected = np.clip(other + factor * (IMAGE - other), 0, 255)
    changed = jitter(**{kind: (factor, factor)})
    assert changed.dtype == np.uint8
    assert changed.flags['C_CONTIGUOUS']
    assert np.abs(changed - expected).max() <= 2  # two roundings


def test_range_and_seed():
    def means():
        torch.manual_seed(3)
        return [jitter(np.full((2, 2, 3), 100, np.uint8), brightness=0.5).mean() for _ in range(200)]

    drawn = means()
    assert drawn == means()
    assert 50 <= min(drawn) < 60
    assert 140 < max(drawn) <= 150


def test_nothing_changes_without_ranges():
    assert np.array_equal(jitter(), IMAGE)


def test_only_torchs_generator_is_used():
    """That is what `ResumableTrainLoop` and the loader's workers seed; here Python's and NumPy's too."""
    before = (random.getstate(), np.random.get_state()[1].tolist())
    jitter(brightness=0.5, contrast=0.5, saturation=0.5)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_range_is_checked():
    with pytest.raises(ValueError, match='brightness'):
        jitter(brightness=-1)
