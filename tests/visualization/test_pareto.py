import itertools

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from antialias_plugins.checkpoints import PUBLISHED
from antialias_plugins.visualization import PUBLISHED_RESULTS, Result, pareto_front, plot_pareto
from tests.figures import unreadable

PLAIN = Result('net', 70.0, 85.0, 'baseline')
TUNED = Result('net_lpf4', 71.0, 88.0, 'adobe_ft_in1k')
MINE = Result('mine', 69.0, 91.0, 'mine')


def points(axis):
    """Drawn points by the name of their series."""
    collections = [artist for artist in axis.collections if isinstance(artist, PathCollection)]
    return {one.get_label(): np.asarray(one.get_offsets()).tolist() for one in collections}


def line(axis, label):
    (found,) = (line for line in axis.lines if line.get_label() == label)
    return found.get_xydata().tolist()


def test_every_result_stands_where_it_belongs():
    (axis,) = plot_pareto([MINE], [PLAIN, TUNED]).axes
    assert points(axis) == {
        'plain (torchvision)': [[85, 70]],
        'low-pass, fine-tuned (Zhang 2019)': [[88, 71]],
        'mine': [[91, 69]],
    }
    (left, _), (bottom, _) = axis.get_xlim(), axis.get_ylim()
    assert line(axis, 'front') == [[left, 71], [88, 71], [88, 69], [91, 69], [91, bottom]]
    assert {text.get_text() for text in axis.texts} == {'mine', 'net_lpf4', 'net'}
    assert (axis.get_xlabel(), axis.get_ylabel()) == ('consistency / %', 'top-1 accuracy / %')


def test_every_series_of_results_has_its_name_color_and_marker():
    results = [MINE, Result('b', 70, 80, 'other'), Result('c', 71, 81, 'mine'), Result('d', 72, 82, '')]
    (axis,) = plot_pareto(results, []).axes
    assert points(axis) == {'mine': [[91, 69], [81, 71]], 'other': [[80, 70]], 'measured': [[82, 72]]}
    drawn = [artist for artist in axis.collections if isinstance(artist, PathCollection)]
    assert len({tuple(one.get_facecolor()[0]) for one in drawn}) == 3
    assert len({one.get_paths()[0].vertices.tobytes() for one in drawn}) == 3


def test_a_line_leads_from_the_plain_network_to_its_antialiased_one():
    (axis,) = plot_pareto([], [PLAIN, TUNED, Result('other', 60, 60, 'baseline')]).axes
    (connection,) = (one for one in axis.lines if one.get_label() != 'front')
    assert connection.get_xydata().tolist() == [[85, 70], [88, 71]]


def test_published_results_are_all_there():
    (axis,) = plot_pareto().axes
    counts = {label: len(found) for label, found in points(axis).items()}
    with_figures = [weights for weights in PUBLISHED.values() if weights.accuracy is not None]
    assert sum(counts.values()) == len(PUBLISHED_RESULTS) == 23 + len(with_figures) == 23 + 61
    assert counts['plain (torchvision)'] == 23
    assert {text.get_text() for text in axis.get_legend().get_texts()} == {*counts, 'front'}


@pytest.mark.parametrize('least', [0, 65], ids=['all', 'without AlexNet'])
def test_no_label_covers_another_and_the_axes_hold_all_points(least):
    mine = [Result('mine', 76.1, 90.4, 'mine'), Result('mine too', 76.2, 90.45, 'mine'), Result('best', 80, 93, 'mine')]
    figure = plot_pareto(mine, [one for one in PUBLISHED_RESULTS if one.accuracy > least])
    (axis,) = figure.axes
    assert unreadable(figure) == []
    assert {text.get_text() for text in axis.texts} >= {one.name for one in mine}
    if least:
        assert {'resnet18', 'resnet50', 'densenet121'} <= {text.get_text() for text in axis.texts}
    for limits, values in zip(
        (axis.get_xlim(), axis.get_ylim()), np.concatenate([*points(axis).values()]).T, strict=True
    ):
        room = limits[1] - limits[0]
        assert 0 < min(values) - limits[0] < 0.1 * room and 0 < limits[1] - max(values) < 0.1 * room


def test_every_published_network_has_its_plain_one_which_fine_tuning_beat():
    plain = {one.name: one for one in PUBLISHED_RESULTS if one.series == 'baseline'}
    tuned = [one for one in PUBLISHED_RESULTS if one.series == 'adobe_ft_in1k']
    assert {one.name.removesuffix('_lpf4') for one in tuned} == set(plain)
    for one in tuned:
        before = plain[one.name.removesuffix('_lpf4')]
        assert one.consistency > before.consistency
        assert one.accuracy > before.accuracy


def test_the_front_against_its_definition():
    numbers = np.random.default_rng(0).integers(0, 12, (60, 2))
    results = [Result(str(index), *pair, '') for index, pair in enumerate(numbers.tolist())]

    def beats(a, b):
        pair, other = (a.accuracy, a.consistency), (b.accuracy, b.consistency)
        return pair != other and all(x >= y for x, y in zip(pair, other, strict=True))

    expected = {(b.consistency, b.accuracy) for b in results if not any(beats(a, b) for a in results)}
    front = [(one.consistency, one.accuracy) for one in pareto_front(results)]
    assert set(front) == expected
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in itertools.pairwise(front))


@pytest.mark.parametrize(
    ('results', 'published', 'message'),
    [
        ([], [], 'results must hold at least one network where published is empty, got none'),
        ([Result('a', 101, 90, '')], [], 'accuracy must be in percent, got 101 for a'),
        ([Result('a', 70, 90, str(i)) for i in range(7)], [], 'results must be of at most 6 series, got 7'),
        ([Result('a', 70, -1, '')], [], 'consistency must be in percent, got -1 for a'),
        ([], [MINE], "series must be one of .*, got 'mine' for mine"),
    ],
    ids=['nothing', 'accuracy', 'many', 'consistency', 'series'],
)
def test_what_does_not_fit_is_named(results, published, message):
    with pytest.raises(ValueError, match=message):
        plot_pareto(results, published)
