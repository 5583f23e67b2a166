import numpy as np
import pytest
from scipy.stats import ttest_1samp

from lab.quickstart.report import compare_consistency, describe_environments, format_table, judge


def method(massc=90.0, below=4.0, above=3.0, **environment):
    return {
        'mIoU': 25.125,
        'mASSC': massc,
        'mASSC_low': massc - below,
        'mASSC_high': massc + above,
        'seconds_per_iteration': 0.25,
        'parameters': 1234567,
        'environment': {'machine': 'abacus', 'torch': '2.5.1'} | environment,
    }


def test_table_has_a_row_per_method():
    assert format_table({'baseline': method(), 'lpf3': method(95.5, 0.5, 0.25)}).splitlines() == [
        '| method   | mIoU (%) | mASSC (%), 95 % interval | s / iteration | parameters |',
        '| -------- | -------: | -----------------------: | ------------: | ---------: |',
        '| baseline |    25.12 |     90.00 [86.00, 93.00] |         0.250 |  1,234,567 |',
        '| lpf3     |    25.12 |     95.50 [95.00, 95.75] |         0.250 |  1,234,567 |',
    ]


SPREAD = np.linspace(-0.02, 0.02, 9)


@pytest.mark.parametrize(
    ('shift', 'verdict'),
    [(0.05, 'more'), (0.005, 'NOT shown to be more'), (-0.005, 'NOT shown to be more'), (-0.05, 'LESS')],
    ids=['more', 'a little more', 'a little less', 'less'],
)
def test_verdict_follows_the_interval_of_the_differences_on_the_same_images(shift, verdict):
    reference = np.linspace(0.5, 0.9, 9)  # far more apart than the differences
    differences = compare_consistency({'baseline': reference, 'lpf3': reference + shift + SPREAD})
    mean, low, high = differences['lpf3']
    expected = ttest_1samp(SPREAD + shift, 0).confidence_interval(0.95)  # of differences that are symmetric
    assert (mean, low, high) == pytest.approx([100 * it for it in (shift, expected.low, expected.high)], abs=0.05)
    points = f'mASSC {mean:+.2f} [{low:+.2f}, {high:+.2f}] points on the same images.'
    assert judge(differences, 'baseline') == [f'lpf3 is {verdict} consistent than baseline: {points}']


def test_one_environment_is_described():
    assert describe_environments({'a': method(), 'b': method()}) == ['Machine: abacus', 'Versions: torch 2.5.1']


def test_different_environments_are_pointed_out():
    (line,) = describe_environments({'a': method(), 'b': method(torch='2.14.1')})
    assert 'do not compare their times' in line
