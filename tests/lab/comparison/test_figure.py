import pytest

from lab.comparison.figure import MethodFigures, Panel, plot_trade_offs
from tests.figures import unreadable

PANEL = Panel('gain', 'accuracy', 'gain / %', 'accuracy / %')
COST = Panel('cost', 'accuracy', 'cost / ms', 'accuracy / %', less_is_better=True)


def method(name, accuracy, gain, cost, variant=False, deviations=()):
    means = {'accuracy': accuracy, 'gain': gain, 'cost': cost}
    return MethodFigures(name, name.removesuffix('*'), variant, means, dict(deviations))


METHODS = [
    method('a', 90, 50, 1, deviations={'accuracy': 2.0}),
    method('b', 80, 70, 2),
    method('b*', 70, 60, 3, variant=True),
]


def panels(figure):
    return [axis for axis in figure.axes if axis.axison]


def points(axis):
    return {one.get_label(): tuple(one.lines[0].get_xydata()[0]) for one in axis.containers}


def front(axis):
    (found,) = (line for line in axis.lines if line.get_label() == 'front')
    return found.get_xydata().tolist()


def test_points_and_fronts():
    gain, cost = panels(plot_trade_offs(METHODS, [PANEL, COST]))
    assert points(gain) == {'a': (50, 90), 'b': (70, 80), 'b*': (60, 70)}
    assert points(cost) == {'a': (1, 90), 'b': (2, 80), 'b*': (3, 70)}
    (left, _), (bottom, _) = gain.get_xlim(), gain.get_ylim()
    assert front(gain) == [[left, 90], [50, 90], [50, 80], [70, 80], [70, bottom]]
    assert front(cost) == [[1, cost.get_ylim()[0]], [1, 90], [cost.get_xlim()[1], 90]]
    assert [[text.get_text() for text in axis.texts] for axis in (gain, cost)] == [['a', 'b'], ['a']]
    assert gain.get_xlabel() == 'gain / %'


def test_deviations_are_bars():
    (axis,) = panels(plot_trade_offs(METHODS, [PANEL]))
    bars = {one.get_label(): [segments.get_segments() for segments in one.lines[2]] for one in axis.containers}
    assert [bar.tolist() for (bar,) in bars['a']] == [[[50, 88], [50, 92]]]
    assert bars['b'] == []


def test_legend():
    figure = plot_trade_offs(METHODS, [PANEL], variant='other')
    axis, empty = figure.axes
    assert [text.get_text() for text in empty.get_legend().get_texts()] == ['a', 'b', 'other', 'front']
    fills = {one.get_label(): one.lines[0].get_markerfacecolor() for one in axis.containers}
    assert fills['b*'] == 'white' != fills['b']


@pytest.mark.parametrize('count', [1, 2, 3, 4])
def test_labels_are_readable_and_the_axes_hold_all_bars(count):
    near = [method(f'method {index}', 90 + index / 9, 70 - index / 9, 5 + index / 9) for index in range(7)]
    near[3] = method('method 3', 91, 75, 4, deviations={'accuracy': 9.0, 'gain': 8.0})
    figure = plot_trade_offs(near, [PANEL, COST, PANEL, COST][:count])
    assert unreadable(figure) == []
    for axis, (low, high) in zip(panels(figure), [(67, 83), (4, 6)] * 2, strict=False):
        for limits, ends in ((axis.get_xlim(), (low, high)), (axis.get_ylim(), (82, 100))):
            assert limits[0] < ends[0] + (low == 4) and ends[1] - (low == 4) < limits[1]


@pytest.mark.parametrize(
    ('methods', 'panels', 'message'),
    [
        ([], [PANEL], 'methods and panels must be at least one each, got 0 and 1'),
        (METHODS, [], 'methods and panels must be at least one each, got 3 and 0'),
        ([method(str(i), 1, 1, 1) for i in range(8)], [PANEL], 'methods must be of at most 7 groups, got 0, 1, 2'),
        (METHODS, [Panel('x', 'accuracy', '', '')], 'means of a must hold all that is drawn, got no x'),
    ],
    ids=['no-methods', 'no-panels', 'groups', 'missing'],
)
def test_what_does_not_fit_is_named(methods, panels, message):
    with pytest.raises(ValueError, match=message):
        plot_trade_offs(methods, panels)
