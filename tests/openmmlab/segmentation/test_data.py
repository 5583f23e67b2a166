"""The transforms of the reference systems against Pillow and formulas; the data set is tested with its configs."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from antialias_plugins.openmmlab.segmentation.data import LogRandomResize, TorchvisionColorJitter

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)  # BGR
LUMA = np.array([0.114, 0.587, 0.299])  # of ITU-R 601, for BGR


def jitter(image=IMAGE, **ranges):
    return TorchvisionColorJitter(**ranges)({'img': image.copy()})['img']


@pytest.mark.parametrize('factor', [0.5, 0.8, 1.5])
@pytest.mark.parametrize('kind', ['brightness', 'contrast', 'saturation'])
def test_color_jitter_blends(kind, factor):
    """Each blends the image with black, its mean grey, or the grey of every pixel."""
    grey = IMAGE @ LUMA
    other = {'brightness': 0, 'contrast': grey.mean(), 'saturation': grey[..., None]}[kind]
    expected = np.clip(other + factor * (IMAGE - other), 0, 255)
    changed = jitter(**{kind: (factor, factor)})
    assert changed.dtype == np.uint8
    assert changed.flags['C_CONTIGUOUS']
    assert np.abs(changed - expected).max() <= 2  # two roundings


def test_range_and_seed_of_the_jitter():
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


def test_range_of_the_jitter_is_checked():
    with pytest.raises(ValueError, match='brightness'):
        jitter(brightness=-1)


LANCZOS = {'keep_ratio': True, 'backend': 'pillow', 'interpolation': 'lanczos'}


@pytest.fixture
def resize():
    return LogRandomResize((500, 500), (0.5, 2.0), **LANCZOS)


def pictures(width=500, height=333):
    rng = np.random.default_rng(0)
    image, label = rng.integers(0, 256, (height, width, 3), np.uint8), rng.integers(0, 21, (height, width), np.uint8)
    return {'img': image, 'gt_seg_map': label, 'seg_fields': ['gt_seg_map']}


def test_logarithm_of_the_ratio_is_uniform(resize):
    np.random.seed(0)
    powers = np.log2([resize._random_scale()[0] / 500 for _ in range(4000)])
    assert -1.01 <= powers.min() < -0.99
    assert 0.99 < powers.max() <= 1.01
    # Of 4000 draws, a quarter falls into each quarter, give or take 3.65 standard deviations of 27.
    assert np.abs(np.histogram(powers, 4, (-1, 1))[0] - 1000).max() < 100


def test_image_is_pillows_and_label_is_one_of_its_own(resize):
    np.random.seed(4)
    original = pictures()
    resized = resize(pictures())
    height, width = resized['img'].shape[:2]
    assert (height, width) == resized['gt_seg_map'].shape
    assert width / height == pytest.approx(500 / 333, rel=0.01)
    expected = Image.fromarray(original['img']).resize((width, height), Image.Resampling.LANCZOS)
    assert np.array_equal(resized['img'], np.asarray(expected))
    nearest = Image.fromarray(original['gt_seg_map']).resize((width, height), Image.Resampling.NEAREST)
    assert np.array_equal(resized['gt_seg_map'], np.asarray(nearest))
