from collections import Counter

import numpy as np
import pytest

from lab.toyscapes.canvas import SUPERSAMPLING, Camera, Canvas, majority
from lab.toyscapes.classes import IGNORE, Label
from lab.toyscapes.light import TIMES


@pytest.fixture
def canvas():
    camera = Camera(30, 24, focal=10.0, center=(15.0, 12.0), x=0.0, y=2.0)
    return Canvas(camera, TIMES['noon'])


def test_majority_counts_votes():
    labels = np.random.default_rng(0).choice([0, 3, 18, IGNORE], (12, 18)).astype(np.uint8)
    expected = np.zeros((4, 6), np.uint8)
    for i in range(4):
        for j in range(6):
            votes = Counter(labels[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].ravel().tolist())
            expected[i, j] = min(label for label, count in votes.items() if count == max(votes.values()))
    assert np.array_equal(majority(labels, 3), expected)


def test_projection_by_hand():
    camera = Camera(100, 80, focal=50.0, center=(50.0, 40.0), x=1.0, y=2.0, bend=0.01)
    # Five metres ahead the road lies 0.25 m to the right; 2 m up is the horizon, the ground 20 pixels below it.
    assert camera.project(np.array([[1.0, 2.0, 5.0], [3.0, 0.0, 5.0]])).tolist() == [[52.5, 40.0], [72.5, 60.0]]
    assert camera.scale(5.0) == 10.0


def test_picture_and_labels_agree(canvas):
    canvas.polygon([(0, 0), (29, 0), (29, 23), (0, 23)], (0, 0, 0), Label.SKY)
    canvas.polygon([(9, 6), (17, 6), (17, 14), (9, 14)], (255, 255, 255), Label.CAR)
    picture, labels = canvas.finish()
    assert picture.size == labels.size == (30 // SUPERSAMPLING, 24 // SUPERSAMPLING)
    white = np.asarray(picture)[..., 0] > 127
    assert np.array_equal(white, np.asarray(labels) == Label.CAR)
    assert white[2:5, 3:6].all() and white.sum() == 9


def test_untouched_pixels_are_ignored(canvas):
    assert set(np.unique(canvas.finish()[1])) == {IGNORE}


def test_shadow_darkens_and_keeps_labels(canvas):
    canvas.polygon([(0, 0), (29, 0), (29, 23), (0, 23)], (200, 200, 200), Label.ROAD)
    canvas.shadow([np.array([[0.0, 0], [14, 0], [14, 23], [0, 23]])])
    picture, labels = (np.asarray(image) for image in canvas.finish())
    assert (picture[:, :4] < 200).all() and (picture[:, 6:] == 200).all()
    assert (labels == Label.ROAD).all()
