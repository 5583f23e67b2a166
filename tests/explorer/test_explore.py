import json
import re
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pytest
import torch
from PIL import Image

from antialias_plugins.explorer import PageSegmentor, explore, render_page, write_page
from antialias_plugins.version import __version__
from tests.explorer.conftest import CLASSES, PALETTE, classification, segmentation


@dataclass(frozen=True)
class Threshold(PageSegmentor):
    """Predicts class 1 where the red channel is above a threshold, and remembers what it has seen."""

    threshold: int = 128
    seen: list = field(default_factory=list)

    def predict(self, view):
        self.seen.append(view)
        return (view[0] > self.threshold).to(torch.uint8)


@dataclass(frozen=True)
class Checkerboard(Threshold):
    """Predicts classes 0 and 1 by the position in the view alone."""

    def predict(self, view):
        rows, columns = (torch.arange(side) for side in view.shape[1:])
        return ((rows[:, None] + columns) % 2).to(torch.uint8)


def make(kind, name):
    return kind(name, CLASSES, PALETTE, None, None)


def test_pixelwise_never_flips_and_position_flips_by_the_parity_of_the_shift(photograph):
    networks = make(Threshold, 'pixelwise'), make(Checkerboard, 'position')
    exploration = explore(
        networks, [photograph], max_shift=4, directions=('diagonal', 'horizontal', 'vertical'), progress=False
    )
    (image,) = exploration.images
    assert (exploration.task, exploration.networks) == ('segmentation', ('pixelwise', 'position'))
    assert (image['name'], image['view']) == ('face', [60, 92])
    for direction, sweep in image['sweeps'].items():
        pixelwise, position = sweep['networks']
        assert pixelwise['agreement'] == (1,) * 5
        assert position['agreement'] == ((1,) * 5 if direction == 'diagonal' else (1, 0, 1, 0, 1))
        assert pixelwise['flips'] == [0] * 5


def test_views_are_windows_of_the_picture_each_predicted_once(photograph):
    networks = make(Threshold, 'a'), make(Threshold, 'b')
    explore(networks, [photograph], max_shift=3, directions=('vertical', 'horizontal'), progress=False)
    pixels = np.array(Image.open(photograph))
    offsets = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (0, 3)]
    for network in networks:
        assert len(network.seen) == len(offsets)
        for view, (y, x) in zip(network.seen, offsets, strict=True):
            assert (view.permute(1, 2, 0).numpy() == pixels[y : y + 61, x : x + 93]).all()


def test_a_width_resizes_the_picture(photograph):
    networks = [replace(make(Threshold, name), input_size=48) for name in 'ab']
    (image,) = explore(networks, [photograph], max_shift=2, progress=False).images
    assert image['view'] == [30, 46]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'max_shift': 33}, r'face\.png: max_shift must not exceed half the shorter side .* 64x96 \(at most 32\)'),
        ({'max_shift': 0}, 'max_shift must be at least 1, got 0'),
        ({'directions': ['up']}, 'direction must be one of'),
        ({'labels': [1]}, 'label must be None for segmentation, got 1'),
        ({'labels': [1, 2]}, 'labels must hold one class per picture, got 2 for 1'),
        ({'labels': ['1']}, "label must be an integer, got '1'"),
        ({'max_shift': '4'}, "max_shift must be an integer of at least 1, got '4'"),
        ({'directions': 'diagonal'}, "directions must hold some of diagonal, .* got 'diagonal'"),
        ({'progress': 'no'}, "progress must be True or False, got 'no'"),
    ],
    ids=['too small', 'max_shift', 'direction', 'label', 'labels', 'label text', 'shift text', 'text', 'flag'],
)
def test_what_is_wrong_is_named(options, message, photograph):
    with pytest.raises(ValueError, match=message):
        explore((make(Threshold, 'a'), make(Threshold, 'b')), [photograph], **dict(progress=False) | options)


def test_no_picture_is_an_error():
    with pytest.raises(ValueError, match='files must hold at least one picture, got none'):
        explore((make(Threshold, 'a'), make(Threshold, 'b')), [])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'classes': CLASSES[:2]}, 'models must have the same classes, got 4 classes of a and 2 classes of b'),
        ({'task': 'classification'}, 'models must have the same task, got segmentation of a and classification of b'),
        ({'input_size': 48}, 'models must have the same input size, got None of a and 48 of b'),
        ({'name': 'a'}, "names must differ, got 'a' twice"),
    ],
    ids=['classes', 'task', 'size', 'name'],
)
def test_networks_that_do_not_fit_together_are_named(change, message, photograph):
    pair = make(Threshold, 'a'), replace(make(Threshold, 'b'), **change)
    with pytest.raises(ValueError, match=message):
        explore(pair, [photograph], progress=False)


@pytest.mark.parametrize('make', [segmentation, classification])
def test_the_page_holds_the_numbers_and_names_no_other_place(make):
    exploration = make()
    page = render_page(exploration)
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(block) == json.loads(json.dumps(asdict(exploration)))
    page = re.sub(r'data:image/\w+;base64,[\w+/=]*', 'data:', page)
    assert not re.search(r'(?i)https?:|//[a-z]|\b(src|href)="(?!data:)|@import|url\(', page)
    assert f'antialias_plugins {__version__}' in page


def test_a_class_cannot_end_the_script():
    page = render_page(segmentation())
    assert any('</script>' in name for name in CLASSES)
    assert page.count('</script>') == page.count('<script')


def test_a_title_is_text():
    page = render_page(segmentation(), title='<b> & $style')
    assert page.count('&lt;b&gt; &amp; $style') == 2
    assert '<b>' not in page


def test_a_page_replaces_the_old_one_at_once(tmp_path):
    path = tmp_path / 'page.html'
    path.write_text('old')
    assert write_page(path, 'né') == 3
    assert path.read_bytes() == 'né'.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / 'page.html'
    path.write_text('old')
    with pytest.raises(UnicodeEncodeError):
        write_page(path, '\ud800')
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]
