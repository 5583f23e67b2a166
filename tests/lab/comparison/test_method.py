import pytest

from lab.comparison import METHODS, Method


@pytest.mark.parametrize(
    ('name', 'pool', 'is_circular'),
    [
        ('baseline', None, False),
        ('baseline-circular', None, True),
        ('lpf5', 'lpf5', False),
        ('aps2-circular', 'aps2', True),
    ],
)
def test_names(name, pool, is_circular):
    method = Method(name)
    assert (method.pool, method.is_circular) == (pool, is_circular)


def test_every_family_of_filters_is_compared():
    pools = {Method(name).pool for name in METHODS}
    assert pools == {None, 'lpf3', 'ddac3', 'aps3', 'lps3', 'flc', 'tips'}
    assert len(set(METHODS)) == len(METHODS)


@pytest.mark.parametrize('name', ['lpx3', 'circular', 'lpf3_circular', ''])
def test_unknown_names(name):
    with pytest.raises(ValueError, match='pool must be one of'):
        Method(name)
