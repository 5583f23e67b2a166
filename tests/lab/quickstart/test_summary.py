import pytest

from lab.quickstart.report import compare_consistency, describe_environments, format_table


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


# For the difference: 4 below the method and 3 above the baseline make 5; 12 above the one and 5 below the other 13.
@pytest.mark.parametrize(
    ('massc', 'verdict'),
    [
        (95.5, 'lpf3 is more consistent than baseline: mASSC +5.50 [+0.50, +18.50] points.'),
        (94.5, 'lpf3 is NOT shown to be more consistent than baseline: mASSC +4.50 [-0.50, +17.50] points.'),
        (89.0, 'lpf3 is NOT shown to be more consistent than baseline: mASSC -1.00 [-6.00, +12.00] points.'),
        (76.0, 'lpf3 is LESS consistent than baseline: mASSC -14.00 [-19.00, -1.00] points.'),
    ],
    ids=['more', 'a little more', 'a little less', 'less'],
)
def test_verdict_follows_the_interval(massc, verdict):
    assert compare_consistency({'baseline': method(90.0, 5.0, 3.0), 'lpf3': method(massc, 4.0, 12.0)}) == [verdict]


def test_one_environment_is_described():
    assert describe_environments({'a': method(), 'b': method()}) == ['Machine: abacus', 'Versions: torch 2.5.1']


def test_different_environments_are_pointed_out():
    (line,) = describe_environments({'a': method(), 'b': method(torch='2.14.1')})
    assert 'do not compare their times' in line
