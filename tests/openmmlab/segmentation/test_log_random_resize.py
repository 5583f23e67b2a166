import numpy as np
import pytest
from PIL import Image

from antialias_plugins.openmmlab.segmentation.data import LogRandomResize

LANCZOS = {'keep_ratio': True, 'backend': 'pillow', 'interpolation': 'lanczos'}


@pytest.fixture
def resize():
    return LogRandomResize((500, 500), (0.5, 2.0), **LANCZOS)


def sample(width=500, height=333):
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
    original = sample()
    resized = resize(sample())
    height, width = resized['img'].shape[:2]
    assert (height, width) == resized['gt_seg_map'].shape
    assert width / height == pytest.approx(500 / 333, rel=0.01)
    expected = Image.fromarray(original['img']).resize((width, height), Image.Resampling.LANCZOS)
    assert np.array_equal(resized['img'], np.asarray(expected))
    nearest = Image.fromarray(original['gt_seg_map']).resize((width, height), Image.Resampling.NEAREST)
    assert np.array_equal(resized['gt_seg_map'], np.asarray(nearest))
