"""Means with their intervals: by hand, against SciPy, and by how often they hold the true mean."""

import math
import random
from statistics import fmean, stdev

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, t

from antialias_plugins.metrics import MeanShare, difference_interval, mean_interval
from lab.intervals import DISTRIBUTIONS, coverage

SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)


@pytest.mark.parametrize('count', [2, 3, 10, 31, 500])
def test_shares_of_images_have_the_exact_interval(count):
    for right in {0, 1, count // 2, count - 1, count}:
        exact = binomtest(right, count).proportion_ci(method='exact')
        mean, interval = mean_interval([1] * right + [False] * (count - right))
        assert (mean, interval) == (right / count, pytest.approx((exact.low, exact.high), abs=1e-12))


def test_all_right_is_never_certain():
    assert str(MeanShare.of([1.0] * 3)) == '100.00 [29.24, 100.00] % (n = 3)'  # 0.025^(1/3)
    assert mean_interval([0.9] * 10)[1][0] < 0.7  # ten equal values say nothing of the spread


@pytest.mark.parametrize('name', DISTRIBUTIONS)
def test_interval_holds_the_true_mean(name):
    """A cheap part of the table in docs/consistency.md: no less than 93 % but for the chance of 300 draws."""
    for share in SHARES:
        hits = coverage(name, share, 10, draws=300)
        assert hits >= 0.93 - 3 * (0.93 * 0.07 / 300) ** 0.5, share


def test_regular_values_have_about_the_interval_of_students_t():
    """Beta(81): a usual spread of per-image shares, for which nothing needs to be added."""
    values = np.random.default_rng(0).beta(75, 6, 400).tolist()
    reach = t.ppf(0.975, 399) * stdev(values) / 20
    low, high = mean_interval(values)[1]
    assert high - low == pytest.approx(2 * reach, rel=0.1)
    assert fmean(values) - low > high - fmean(values)  # the long tail is below


def test_order_does_not_matter():
    values = [random.Random(0).random() * 10**-power for power in range(12) for _ in range(9)]
    order = random.Random(1).sample(range(len(values)), len(values))
    groups = [index % 7 for index in range(len(values))]
    shuffled = [values[index] for index in order]
    assert mean_interval(values) == mean_interval(shuffled)
    assert mean_interval(values, groups=groups) == mean_interval(shuffled, groups=[groups[index] for index in order])


def test_groups_of_equal_images_count_once():
    values, groups = [1, 1, 1, 0], ['a', 'b', 'c', 'd']
    several = mean_interval(np.repeat(values, 10), groups=np.repeat(groups, 10))
    assert several == (0.75, pytest.approx(mean_interval(values)[1]))
    assert (
        mean_interval(values, groups=groups) == mean_interval(values, groups=torch.arange(4)) == mean_interval(values)
    )


def test_a_group_of_its_own_says_nothing_of_a_spread():
    assert mean_interval([0.5]) == (0.5, None)
    assert mean_interval([0.25, 0.75], groups=['scene', 'scene']) == (0.5, None)


def test_unbounded_values_have_the_interval_of_students_t():
    mean, interval = mean_interval([0.25, 0.75, 2.0], bounds=(0, math.inf))
    reach = t.ppf(0.975, 2) * stdev([0.25, 0.75, 2.0]) / 3**0.5
    assert (mean, interval) == (1.0, pytest.approx((0, 1 + reach)))


def test_differences_of_two_networks():
    assert difference_interval((0.75, (0.72, 0.79)), (0.5, (0.44, 0.54))) == pytest.approx(
        (0.25 - 0.05, 0.25 + 0.0721), abs=1e-4
    )
    paired = mean_interval([0.03, 0.02, 0.04] * 30, bounds=(-1, 1))[1]
    assert 0.02 < paired[0] < 0.03 < paired[1] < 0.04


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(values=[]), 'values .* got none'),
        (dict(values=0.5), 'values must hold one number per image, got 0.5'),
        (dict(values=[0.5, math.nan]), 'values must be finite numbers from 0.0 to 1.0, got nan'),
        (dict(values=[50.0, 75.0]), 'values must be finite numbers from 0.0 to 1.0, got 50.0'),
        (dict(values=['0.5']), "values must be finite numbers .* got '0.5'"),
        (dict(values=[1.0], confidence=95), 'confidence must be between 0 and 1, got 95'),
        (dict(values=[1.0], confidence='0.95'), "confidence must be between 0 and 1, got '0.95'"),
        (dict(values=[1.0, 0.0], groups=[1]), 'groups must hold one per value, got 1 for 2 values'),
        (dict(values=[1.0, 0.0], groups=[[1], [2]]), r'groups must hold names or numbers, got \[1\]'),
    ],
    ids=['empty', 'number', 'nan', 'per-cent', 'text', 'confidence', 'confidence-text', 'groups', 'lists'],
)
def test_bad_interval(arguments, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(**arguments)


@pytest.mark.parametrize(
    ('shares', 'expected', 'text'),
    [
        ([], MeanShare(None, None, 0), 'in no image'),
        ([0.25], MeanShare(0.25, None, 1), '25.00 % (n = 1)'),
        ([0.0, 1.0], MeanShare(0.5, pytest.approx((1 - 0.975**0.5, 0.975**0.5)), 2), '50.00 [1.26, 98.74] % (n = 2)'),
    ],
    ids=['none', 'one', 'two'],
)
def test_mean_share(shares, expected, text):
    assert MeanShare.of(shares) == expected
    assert str(MeanShare.of(shares)) == text
