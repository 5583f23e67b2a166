from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from antialias_plugins.metrics import MeanSegmentationConsistency
from lab.quickstart.shift_flips import FlipPanel, plot_shift_flips, predict_flips, typical_image
from lab.toyscapes import CLASSES, DISTINCT
from tests.figures import unreadable

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
    flips = predict_flips(Segmentor(lambda x: x[0]), image, index=3)
    assert not flips.flipped.any()
    assert (flips.before == flips.shared(image)[..., 0]).all()
    assert flips.consistency == 1


def test_what_sees_positions_flips_everywhere(image):
    flips = predict_flips(Segmentor(lambda x: torch.arange(x.shape[2]).expand(x.shape[1:]) % 2), image)
    assert flips.flipped.all()


def test_consistency_is_that_of_the_test_loop(image):
    def predict(view):  # by the class of the pixel and its place in the view
        rows, columns = torch.meshgrid(*(torch.arange(side) for side in view.shape[1:]), indexing='ij')
        return (view[0].long() // 64 + rows // 16 + columns // 32) % 4

    tensor = torch.from_numpy(image).permute(2, 0, 1)
    metric = MeanSegmentationConsistency()
    for index in range(3):
        metric.update(index, tensor, lambda views: torch.stack([predict(view) for view in views]))
    shares = [predict_flips(Segmentor(predict), image, index).consistency for index in range(3)]
    assert 0.01 < sum(shares) / 3 < 0.99
    assert metric.compute().mean == pytest.approx(sum(shares) / 3)


@pytest.mark.parametrize(
    ('shares', 'index'),
    [
        ([[7]], 0),
        ([[5, 1, 3]], 2),
        ([[0, 4, 3, 1], [2, 3, 4, 7]], 2),  # means 2 and 4: 4, 3, 1 and 4 away
        ([[2, 2, 2]] * 2, 0),
    ],
    ids=['one', 'the mean', 'all networks', 'equals in order'],
)
def test_typical_image(shares, index):
    assert typical_image(shares) == index


ROAD, SKY, CAR = (CLASSES.index(name) for name in ('road', 'sky', 'car'))
SIZE = (32, 64)


def make_panel(name='baseline', gain=None):
    before = np.full(SIZE, ROAD, np.uint8)
    before[:16] = SKY
    flipped = np.zeros(SIZE, bool)
    flipped[20, 40] = flipped[25, 10] = True
    return FlipPanel(name, (91.35, 86.72, 92.31), gain, 3.98, before, flipped)


PANELS = [make_panel(), make_panel('lpf3', (4.02, 3.3, 6.48)), make_panel('ddac3', (-1.0, -2.0, 0.5))]
CAPTION = 'why this image, and what the figures mean; ' * 7


def plot(panels, image=None, label=None):
    image = np.full((*SIZE, 3), 90, np.uint8) if image is None else image
    label = np.full(SIZE, CAR, np.uint8) if label is None else label
    return plot_shift_flips(image, label, panels, CAPTION)


def pixels(axis):
    return axis.get_images()[0].get_array()


def test_each_map_is_painted_where_it_belongs():
    image, label, _, *maps = plot(PANELS).axes
    before, flips = maps[::2], maps[1::2]
    assert (pixels(image) == 90).all()
    assert tuple(pixels(label)[0, 0]) == DISTINCT[CAR]
    for column, panel in enumerate(PANELS):
        assert tuple(pixels(before[column])[0, 0]) == DISTINCT[SKY]
        assert tuple(pixels(before[column])[31, 5]) == DISTINCT[ROAD]
        assert before[column].get_title() == f'{panel.name}\nmASSC 91.3 % [86.7, 92.3]'
        assert flips[column].get_title() == f'{200 / 2048:.1f} % flip (all images 4.0 %)'


def test_flipped_pixels_stand_out_three_pixels_wide():
    marked = pixels(plot(PANELS).axes[-1])
    colored = marked.max(axis=2) != marked.min(axis=2)
    expected = np.zeros(SIZE, bool)
    expected[19:22, 39:42] = expected[24:27, 9:12] = True
    assert (colored == expected).all()


def test_gains_are_drawn_with_their_intervals_and_zero():
    axis = plot(PANELS).axes[2]
    assert axis.get_title() == 'mASSC above baseline / points'
    assert [text.get_text() for text in axis.texts] == ['lpf3: +4.0 [+3.3, +6.5]', 'ddac3: -1.0 [-2.0, +0.5]']
    bars = [segment for one in axis.containers for lines in one.lines[2] for segment in lines.get_segments()]
    assert [bar[:, 0].tolist() for bar in bars] == [pytest.approx([3.3, 6.48]), pytest.approx([-2, 0.5])]
    (left, right) = axis.get_xlim()
    assert left < -2 and right > 6.48
    assert len(plot(PANELS[:1]).axes) == 4  # of the baseline alone there is none


def test_legend_names_the_classes_that_occur():
    (legend,) = plot(PANELS).legends
    assert [text.get_text() for text in legend.get_texts()] == ['road', 'sky', 'car', 'pixels that flip']


@pytest.mark.parametrize('count', [1, 2, 3, 5])
def test_texts_are_whole_and_cover_nothing(count):
    label = np.arange(32 * 64, dtype=np.uint8).reshape(SIZE) % 19
    figure = plot(
        [make_panel(name, (4.0, 3.0, 6.0)) for name in ('baseline', 'lpf3', 'ddac3', 'a', 'b')[:count]], None, label
    )
    assert unreadable(figure) == []
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {*CLASSES, 'pixels that flip'}


@pytest.mark.parametrize(
    ('panels', 'label', 'message'),
    [
        ([], None, 'panels must hold at least one network, got none'),
        (
            [make_panel()],
            np.zeros((32, 63), np.uint8),
            r'label must have the size of the image \(32, 64\), got shape \(32, 63\)',
        ),
        (
            [replace(make_panel('odd'), flipped=np.zeros((3, 8), bool))],
            None,
            r"flipped of 'odd' must have the size of the image \(32, 64\), got shape \(3, 8\)",
        ),
    ],
    ids=['no panel', 'label of another size', 'flips of another size'],
)
def test_what_does_not_fit_is_named(panels, label, message):
    with pytest.raises(ValueError, match=message):
        plot(panels, label=label)
