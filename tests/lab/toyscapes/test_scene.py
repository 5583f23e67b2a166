import numpy as np
import pytest

from lab.toyscapes import CLASSES, IGNORE, render_scene

SIZE = (96, 48)


@pytest.fixture(scope='module')
def scenes():
    return [render_scene(0, 'train', index, *SIZE) for index in range(16)]


def test_all_classes_occur(scenes):
    found = set(np.unique([np.asarray(labels) for _, labels in scenes]))
    assert found == {*range(len(CLASSES)), IGNORE}


def test_classes_can_be_told_apart_by_color_and_place(scenes):
    """The nearest mean of color and row, fitted on half of the scenes, beats one constant class on the others."""
    row = np.broadcast_to(np.linspace(-1, 1, SIZE[1])[:, None, None], (SIZE[1], SIZE[0], 1))
    features = np.array([np.concatenate([np.asarray(picture) / 255, row], -1) for picture, _ in scenes])
    labels = np.array([np.asarray(labels) for _, labels in scenes])
    train, test = labels[:8], labels[8:]
    means = np.array([features[:8][train == label].mean(0) for label in range(len(CLASSES))])
    guess = np.square(features[8:, ..., None, :] - means).sum(-1).argmin(-1)
    union = [((guess == k) | (test == k)).sum() for k in range(len(CLASSES))]
    iou = [((guess == k) & (test == k)).sum() / u for k, u in enumerate(union)]
    assert np.mean(iou) > 1.5 * (test == 0).mean() / len(CLASSES)


def test_fine_detail_is_beyond_half_the_sampling_rate():
    """Reducing a finer rendering by picking pixels differs from averaging it: there is something to alias."""
    picture = np.asarray(render_scene(0, 'train', 1, 256, 128)[0], float)
    averaged = picture.reshape(64, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(picture[::2, ::2] - averaged).mean() > 3


@pytest.mark.parametrize('size', [(97, 61), (64, 128), (400, 50)], ids='{0[0]}x{0[1]}'.format)
def test_any_size(size):
    picture, labels = render_scene(1, 'val', 2, *size)
    assert picture.size == labels.size == size


def test_scene_does_not_depend_on_those_before_it():
    alone = render_scene(5, 'val', 3, *SIZE)
    for index in range(3):
        render_scene(5, 'val', index, *SIZE)
    again = render_scene(5, 'val', 3, *SIZE)
    assert [image.tobytes() for image in again] == [image.tobytes() for image in alone]


def test_size_changes_the_resolution_not_the_scene():
    small, large = (np.asarray(render_scene(0, 'train', 4, 128 * k, 64 * k)[1]) for k in (1, 3))
    assert (small == large[1::3, 1::3]).mean() > 0.9
