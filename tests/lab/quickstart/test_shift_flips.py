from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from lab.quickstart.shift_flips import median_image, predict_flips, shared_pixels

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]


class Segmentor:
    """What mmseg's `inference_model` needs of a segmentor, around a function from (3, H, W) to (H, W)."""

    def __init__(self, predict):
        self.predict = predict
        self.cfg = Config(dict(test_pipeline=PIPELINE))

    def test_step(self, data):
        maps = (self.predict(image)[None] for image in data['inputs'])
        return [SimpleNamespace(pred_sem_seg=SimpleNamespace(data=prediction)) for prediction in maps]


@pytest.fixture
def image():
    init_default_scope('mmseg')
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def test_what_sees_single_pixels_never_flips(image):
    flips = predict_flips(Segmentor(lambda x: x[0]), image)
    assert not flips.flipped.any()
    assert (flips.before == shared_pixels(image)[..., 0]).all()


def test_what_sees_positions_flips_everywhere(image):
    flips = predict_flips(Segmentor(lambda x: torch.arange(x.shape[2]).expand(x.shape[1:]) % 2), image)
    assert flips.flipped.all()


@pytest.mark.parametrize(
    ('flips', 'index'),
    [([7], 0), ([5, 1, 3], 2), ([4, 1, 3, 2], 3), ([2, 2, 2], 1)],
    ids=['one', 'odd', 'lower of two', 'equals in order'],
)
def test_median_image(flips, index):
    assert median_image(flips) == index
