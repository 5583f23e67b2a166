import numpy as np
import pytest

from lab.schedules.figure import ScheduleCurves, plot_learning_rates

FALLING, LOW = np.linspace(1, 0, 5001), np.linspace(0.1, 0, 5001)


def panel(title='poly', **rates):
    return ScheduleCurves(title, rates or {'backbone': LOW, 'decode_head': FALLING}, {'backbone': LOW, 'head': FALLING})


def test_ours_lie_on_the_published():
    (axis,) = plot_learning_rates([panel()]).axes
    published, ours = axis.lines[:2], axis.lines[2:]
    assert [line.get_label() for line in ours] == ['backbone', 'decode_head']
    for lines in (published, ours):
        for line, rates in zip(lines, (LOW, FALLING), strict=True):
            x, y = line.get_xdata(), line.get_ydata()
            assert (x[0], x[-1], y[0], y[-1]) == (0, 5, rates[0], rates[-1])
            assert y == pytest.approx(rates[np.round(1000 * x).astype(int)])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ['published', 'backbone', 'decode_head']


def test_a_step_stays_steep():
    rates = np.where(np.arange(744000) < 372000, 1.0, 0.1)
    (axis,) = plot_learning_rates([ScheduleCurves('step', {'all': rates})]).axes
    (line,) = axis.lines
    x, y = line.get_xdata(), line.get_ydata()
    fall = np.flatnonzero(np.diff(y))
    assert fall.size == 1
    assert x[fall + 1] - x[fall] < 1
    assert len(x) <= 1000


@pytest.mark.parametrize('count', [1, 3, 4])
def test_a_panel_per_training(count):
    figure = plot_learning_rates([panel(f'training {index}') for index in range(count)])
    assert [axis.get_title() for axis in figure.axes if axis.lines] == [f'training {index}' for index in range(count)]


@pytest.mark.parametrize(
    ('panels', 'message'),
    [
        ([], 'panels must hold at least one training, got none'),
        ([ScheduleCurves('empty', {})], "rates of 'empty' must be one to 6, got 0"),
        ([panel('many', **{f'part{i}': LOW for i in range(7)})], "rates of 'many' must be one to 6, got 7"),
    ],
)
def test_bad_arguments(panels, message):
    with pytest.raises(ValueError, match=message):
        plot_learning_rates(panels)
