import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from lab.quickstart.shift_flips import FlipPanel, median_image, plot_shift_flips, predict_flips, shared_pixels
from lab.toyscapes import CLASSES, PALETTE

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


ROAD, SKY, CAR = (CLASSES.index(name) for name in ('road', 'sky', 'car'))


def make_panel(title='a network'):
    before = np.full((4, 8), ROAD, np.uint8)
    before[:2] = SKY
    after = before.copy()
    after[3, 5] = CAR
    return FlipPanel(title, before, after, before != after)


def plot(panels, image=None, label=None):
    image = np.full((4, 8, 3), 90, np.uint8) if image is None else image
    label = np.full((4, 8), 255, np.uint8) if label is None else label
    return plot_shift_flips(image, label, panels, caption='why this image')


def pixels(axis):
    return axis.get_images()[0].get_array()


def test_each_map_is_painted_where_it_belongs():
    panel = make_panel()
    axes = np.array(plot([panel, panel]).axes).reshape(3, 3)  # rows of: image, first network, second network
    assert (pixels(axes[0, 0]) == 90).all()
    assert (pixels(axes[1, 0]) == 0).all()  # labels, all ignored
    for column in (1, 2):
        assert tuple(pixels(axes[0, column])[0, 0]) == PALETTE[SKY]
        assert tuple(pixels(axes[0, column])[3, 5]) == PALETTE[ROAD]
        assert tuple(pixels(axes[1, column])[3, 5]) == PALETTE[CAR]
        assert [axis.get_title() for axis in axes[:, column]] == ['a network', '', '']


def test_flipped_pixels_and_no_others_stand_out():
    panel = make_panel()
    marked = pixels(plot([panel]).axes[-1])
    colored = marked.max(axis=2) != marked.min(axis=2)
    assert (colored == panel.flipped).all()


def test_legend_names_the_classes_that_occur():
    (legend,) = (axis.get_legend() for axis in plot([make_panel()]).axes if axis.get_legend())
    assert {text.get_text() for text in legend.get_texts()} == {'road', 'sky', 'car', 'flip'}


def test_figure_can_be_saved():
    file = io.BytesIO()
    plot([make_panel(name) for name in 'abc']).savefig(file)
    assert Image.open(file).format == 'PNG'


@pytest.mark.parametrize(
    ('panels', 'label', 'message'),
    [
        ([], None, 'panels must hold at least one network, got none'),
        (
            [make_panel()],
            np.zeros((4, 7), np.uint8),
            r'label must have the size of the image \(4, 8\), got shape \(4, 7\)',
        ),
        (
            [FlipPanel('odd', *[np.zeros((4, 8), np.uint8)] * 2, np.zeros((3, 8), bool))],
            None,
            r"flipped of 'odd' must have the size of the image \(4, 8\), got shape \(3, 8\)",
        ),
    ],
    ids=['no panel', 'label of another size', 'flips of another size'],
)
def test_what_does_not_fit_is_named(panels, label, message):
    with pytest.raises(ValueError, match=message):
        plot(panels, label=label)
