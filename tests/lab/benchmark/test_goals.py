import pytest

from lab.benchmark.cost import SavedBytes, Timing
from lab.benchmark.goals import Goal, compare_with_ours, judge, quantity
from lab.benchmark.measure import Measurements, Result


def result(case, name, seconds, saved=0):
    """A result whose training takes `seconds`; None if it disagreed."""
    timing = Timing(seconds, 0.0, 5) if seconds else None
    measurements = Measurements(SavedBytes(saved, 100, 0), 1, 1, timing, timing) if seconds else None
    return Result('layers', 'blur', case, 'cpu', name, False, None, measurements)


# Ratios 2 and 8, whose geometric mean is 4.
RESULTS = [
    *(result('small', 'ours', 1.0), result('small', 'timm', 2.0)),
    *(result('large', 'ours', 3.0, saved=7), result('large', 'timm', 24.0)),
]


def test_geometric_mean_of_two_ratios():
    ratio = compare_with_ours(RESULTS, 'bl*', 'timm', 'training')
    assert (ratio.mean, ratio.smallest, ratio.largest, ratio.cases) == (pytest.approx(4), 2, 8, 2)


def test_one_disagreement_takes_the_mean_away():
    ratio = compare_with_ours([*RESULTS[:3], result('large', 'timm', None)], 'blur', 'timm', 'training')
    assert (ratio.mean, ratio.cases) == (None, 2)
    ratio = compare_with_ours([result('small', 'ours', None), *RESULTS[1:]], 'blur', 'timm', 'training')
    assert (ratio.mean, ratio.cases) == (None, 2)


def test_nothing_is_divided_by_no_bytes():
    assert compare_with_ours(RESULTS, 'blur', 'timm', 'activations').mean is None


def test_quantity_is_one_that_exists():
    with pytest.raises(ValueError, match=r"name must be one of 'forward', .*, got 'speed'"):
        quantity(RESULTS[0], 'speed')


@pytest.mark.parametrize(
    ('goal', 'text'),
    [
        ({'against': 'timm', 'at_least': 3.9}, 'geometric mean 4.00× over 2 cases, goal at least 3.9×: reached'),
        ({'against': 'timm', 'at_least': 4.1}, 'geometric mean 4.00× over 2 cases, goal at least 4.1×: NOT reached'),
        ({'against': 'timm', 'at_most': 0.3}, 'geometric mean 0.25× over 2 cases, goal at most 0.3×: reached'),
        ({'against': 'timm', 'at_least': 3, 'every': True}, 'worst case 2.00× over 2 cases, goal at least 3×: NOT'),
        ({'against': 'timm', 'at_most': 0.5, 'every': True}, 'worst case 0.50× over 2 cases, goal at most 0.5×: rea'),
        ({'name': 'activations', 'at_most': 7}, 'largest 7 bytes over 2 cases, goal at most 7 bytes: reached'),
        ({'name': 'saved', 'at_most': 106}, 'largest 107 bytes over 2 cases, goal at most 106 bytes: NOT reached'),
        ({'name': 'activations', 'against': 'timm', 'at_most': 1}, 'not measured, goal at most 1×'),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_goals_are_judged(goal, text):
    (verdict,) = judge(RESULTS, [Goal(**{'text': 'Blur', 'group': 'blur', 'name': 'training', **goal})])
    assert str(verdict).startswith(f'Blur: {text}')
    assert verdict.reached == str(verdict).endswith(': reached')


def test_goals_without_cases_are_left_out():
    assert judge(RESULTS, [Goal('Max', 'max', 'training', 'timm', at_least=1)]) == []
    assert judge(RESULTS, [Goal('Kornia', 'blur', 'training', 'kornia', at_least=1)]) == []
