import random

import numpy as np
import pytest

from antialias_plugins.metrics import MeanShare, mean_interval


def test_by_hand():
    mean, half_width = mean_interval([0.25, 0.75])
    assert mean == 0.5
    assert half_width == pytest.approx(1.959964 * 0.25, rel=1e-6)  # s = √(2 · 0.25²), s / √2 = 0.25


def test_covers_the_true_mean_95_times_in_100():
    draws = np.random.default_rng(0).beta(8, 2, size=(2000, 100))
    hits = sum(abs(mean - 0.8) < half_width for mean, half_width in map(mean_interval, draws.tolist()))
    assert hits / 2000 == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 2000) ** 0.5)


def test_order_does_not_matter():
    values = [random.Random(0).random() * 10**-power for power in range(12) for _ in range(9)]
    shuffled = random.Random(1).sample(values, len(values))
    assert mean_interval(values) == mean_interval(shuffled)


def test_single_value_has_no_interval():
    assert mean_interval([0.5]) == (0.5, None)


@pytest.mark.parametrize(
    ('values', 'confidence', 'message'),
    [([], 0.95, 'values .* got none'), ([1.0], 95, 'confidence must be between 0 and 1, got 95')],
    ids=['empty', 'per-cent'],
)
def test_bad_argument(values, confidence, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(values, confidence)


@pytest.mark.parametrize(
    ('shares', 'expected', 'text'),
    [
        ([], MeanShare(None, None, 0), 'in no image'),
        ([0.25], MeanShare(0.25, None, 1), '25.00 % (n = 1)'),
        ([0.5, 0.5], MeanShare(0.5, 0.0, 2), '50.00 ± 0.00 % (n = 2)'),
    ],
    ids=['none', 'one', 'two'],
)
def test_mean_share(shares, expected, text):
    assert MeanShare.of(shares) == expected
    assert str(expected) == text
