import numpy as np
import pytest
from matplotlib.figure import Figure

from antialias_plugins.visualization.labels import draw_front, label_points
from tests.figures import texts, unreadable

POINTS = [(0.5, 0.9), (0.6, 0.8), (0.9, 0.3)]


def make_axis(limits=(0, 1)):
    axis = Figure(figsize=(6, 4), layout='constrained').subplots()
    axis.set(xlim=limits, ylim=limits)
    return axis


@pytest.mark.parametrize(
    ('less', 'points', 'corners'),
    [
        (False, POINTS, [(0, 0.9), (0.5, 0.9), (0.5, 0.8), (0.6, 0.8), (0.6, 0.3), (0.9, 0.3), (0.9, 0)]),
        (True, [(0.2, 0.3), (0.4, 0.8)], [(0.2, 0), (0.2, 0.3), (0.4, 0.3), (0.4, 0.8), (1, 0.8)]),
        (False, POINTS[:1], [(0, 0.9), (0.5, 0.9), (0.5, 0)]),
    ],
    ids=['more', 'less', 'one point'],
)
def test_the_front_goes_on_to_the_limits(less, points, corners):
    axis = make_axis()
    draw_front(axis, points, less_is_better=less)
    (line,) = axis.lines
    assert [tuple(it) for it in line.get_xydata().tolist()] == corners
    assert axis.get_xlim() == axis.get_ylim() == (0, 1)


def test_many_near_points_have_labels_that_cover_nothing():
    places = np.random.default_rng(0).uniform(0.45, 0.55, (12, 2)).tolist()
    axis = make_axis()
    axis.scatter(*zip(*places, strict=True))
    label_points(axis, [(f'network number {index}', *place) for index, place in enumerate(places)])
    assert unreadable(axis.figure) == []
    boxes = [box for name, *box, _ in texts(axis.figure) if name.startswith('network')]
    assert len(boxes) == 12
    for x, y in axis.transData.transform(places):
        assert not any(left < x < right and low < y < top for left, low, right, top in boxes)


def test_a_label_at_the_edge_stays_inside():
    axis = make_axis()
    axis.scatter([0, 1], [1, 0])
    label_points(axis, [('a name with many letters', 0, 1), ('another name of this kind ' * 4, 1, 0)])
    left, bottom, right, top = axis.get_window_extent().extents
    boxes = [box for name, *box, _ in texts(axis.figure) if 'name' in name]
    assert len(boxes) == 2
    assert all(left <= x0 and x1 <= right and bottom <= y0 and y1 <= top for x0, y0, x1, y1 in boxes)


def test_what_may_be_named_is_named_where_there_is_room():
    crowd = [(f'point {index}', 0.5, 0.5) for index in range(200)]
    axis = make_axis()
    axis.scatter([0.5, 0.1], [0.5, 0.1])
    label_points(axis, [('must', 0.5, 0.5)], [('alone', 0.1, 0.1), *crowd])
    names = [note.get_text() for note in axis.texts]
    assert names[:2] == ['must', 'alone']
    assert 3 < len(names) < 100
    assert unreadable(axis.figure) == []
