from collections import Counter

import numpy as np
import pytest

from lab.toyshapes import CATEGORIES, render_scene

SIZE = (96, 72)


@pytest.fixture(scope='module')
def scenes():
    return [render_scene(0, 'train', index, *SIZE) for index in range(40)]


@pytest.fixture(scope='module')
def instances(scenes):
    return [instance for _, instances in scenes for instance in instances]


def test_all_categories_occur_and_some_crowds(instances):
    counts = Counter(instance.category for instance in instances)
    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) > len(instances) / 16
    assert 0 < sum(instance.crowd for instance in instances) < len(instances) / 8


def test_masks_do_not_overlap_and_can_be_seen(scenes):
    for _, found in scenes:
        assert 1 <= len(found) <= 9
        assert np.sum([instance.mask for instance in found], 0).max() == 1
        assert min(instance.mask.sum() for instance in found) > 16


def test_many_shapes_are_cut_by_those_in_front(instances):
    """A mask with two parts was cut in two: none of the outlines has two."""
    ndimage = pytest.importorskip('scipy.ndimage')
    parts = [ndimage.label(instance.mask, np.ones((3, 3)))[1] for instance in instances if not instance.crowd]
    assert sum(count > 1 for count in parts) > 5


def test_picture_and_masks_agree(scenes):
    """Colors change more across the borders of masks than elsewhere."""
    across, elsewhere = [], []
    for picture, found in scenes[:12]:
        ids = sum((label * instance.mask for label, instance in enumerate(found, 1)), np.zeros(SIZE[::-1], int))
        change = np.abs(np.diff(np.asarray(picture, float), axis=1)).mean(-1)
        border = np.diff(ids, axis=1) != 0
        across += change[border].tolist()
        elsewhere += change[~border].tolist()
    assert np.mean(across) > 1.5 * np.mean(elsewhere)


def test_fine_detail_is_beyond_half_the_sampling_rate():
    """Reducing a picture by picking pixels differs from averaging it: there is something to alias."""
    picture = np.asarray(render_scene(0, 'train', 1, 128, 96)[0], float)
    averaged = picture.reshape(48, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(picture[::2, ::2] - averaged).mean() > 3


@pytest.mark.parametrize('size', [(64, 64), (131, 67), (64, 200)], ids='{0[0]}x{0[1]}'.format)
def test_any_size(size):
    picture, found = render_scene(1, 'val', 2, *size)
    assert picture.size == size
    assert {instance.mask.shape for instance in found} == {size[::-1]}


def test_scene_does_not_depend_on_those_before_it():
    alone = render_scene(5, 'val', 3, *SIZE)
    for index in range(3):
        render_scene(5, 'val', index, *SIZE)
    again = render_scene(5, 'val', 3, *SIZE)
    assert again[0].tobytes() == alone[0].tobytes()
    assert [instance.mask.tobytes() for instance in again[1]] == [instance.mask.tobytes() for instance in alone[1]]


@pytest.mark.parametrize('other', [(1, 'train', 0), (0, 'val', 0), (0, 'train', 1)], ids=['seed', 'split', 'index'])
def test_seed_split_and_number_decide(scenes, other):
    assert render_scene(*other, *SIZE)[0].tobytes() != scenes[0][0].tobytes()
