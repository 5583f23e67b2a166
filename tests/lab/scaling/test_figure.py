import numpy as np
import pytest

from lab.scaling.figure import ProcessCurves, plot_processes

ONE = np.array([4.0, 2.0, 1.0])
LOSSES = {'batch norm': {1: ONE, 2: 1.1 * ONE}, 'independent': {1: ONE, 2: ONE, 4: ONE * (1 + 1e-6)}}


def test_a_column_per_network_and_a_row_per_variant():
    figure = plot_processes([ProcessCurves('baseline', LOSSES), ProcessCurves('lpf3', LOSSES)])

    assert [axis.get_title() for axis in figure.axes] == ['baseline', 'lpf3', '', '', '', '']
    for axis, losses in zip(figure.axes[::2], LOSSES.values(), strict=False):
        assert [line.get_ydata().tolist() for line in axis.lines] == [values.tolist() for values in losses.values()]
        assert axis.lines[0].get_xdata().tolist() == [1, 2, 3]


def test_a_row_has_room_for_all():
    large = {variant: {count: 3 * values for count, values in losses.items()} for variant, losses in LOSSES.items()}
    figure = plot_processes([ProcessCurves('small', LOSSES), ProcessCurves('large', large)])
    assert [axis.get_ylim()[0] for axis in figure.axes[:4]] == [0] * 4
    assert all(axis.get_ylim()[1] > 3 * ONE.max() for axis in figure.axes[:4])


def test_differences_are_relative_and_visible_where_there_are_none():
    differences = plot_processes([ProcessCurves('baseline', LOSSES)]).axes[-1]

    labels = [line.get_label() for line in differences.lines]
    assert labels == ['2, batch norm', '2, independent', '4, independent']
    for line, expected in zip(differences.lines, (0.1, 1e-9, 1e-6), strict=True):
        assert line.get_ydata() == pytest.approx(expected, rel=1e-6)
    assert differences.get_yscale() == 'log' and differences.get_ylim()[0] < 1e-9


@pytest.mark.parametrize(
    ('panels', 'message'),
    [
        ([], 'panels must hold at least one network, got none'),
        (
            [ProcessCurves('a', LOSSES), ProcessCurves('b', {'batch norm': {1: ONE}})],
            r"losses of 'b' must be of \['batch norm', 'independent'\], got \['batch norm'\]",
        ),
        ([ProcessCurves('a', {'x': {2: ONE}})], "losses of 'a', x, must have those of one process, got none"),
    ],
    ids=['none', 'variants', 'one process'],
)
def test_bad_arguments(panels, message):
    with pytest.raises(ValueError, match=message):
        plot_processes(panels)
