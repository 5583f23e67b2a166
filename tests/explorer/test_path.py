import pytest

from antialias_plugins.explorer import shift_path


@pytest.mark.parametrize(
    ('direction', 'offsets'),
    [
        ('diagonal', ((0, 0), (1, 1), (2, 2))),
        ('horizontal', ((0, 0), (0, 1), (0, 2))),
        ('vertical', ((0, 0), (1, 0), (2, 0))),
    ],
)
def test_offsets_are_rows_and_columns(direction, offsets):
    assert shift_path(direction, 2) == offsets


@pytest.mark.parametrize(
    ('direction', 'max_shift', 'message'),
    [
        ('up', 2, "direction must be one of diagonal, horizontal, vertical, got 'up'"),
        ('diagonal', 0, 'max_shift must be at least 1, got 0'),
    ],
    ids=['direction', 'max_shift'],
)
def test_what_is_wrong_is_named(direction, max_shift, message):
    with pytest.raises(ValueError, match=message):
        shift_path(direction, max_shift)
