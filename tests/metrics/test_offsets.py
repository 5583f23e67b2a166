from itertools import combinations

import pytest

from antialias_plugins.metrics import draw_batch_offsets, draw_offsets, draw_subpixel_offsets


def test_seed_and_index_alone_decide():
    forward = [draw_offsets(3, index, 32) for index in range(50)]
    backward = [draw_offsets(3, index, 32) for index in reversed(range(50))]
    assert forward == backward[::-1]


@pytest.mark.parametrize('other', [dict(seed=1, index=0), dict(seed=0, index=1)], ids=['seed', 'index'])
def test_seed_and_index_both_matter(other):
    assert draw_offsets(0, 0, 1000) != draw_offsets(**other, max_shift=1000)


def test_more_views_keep_the_first():
    assert draw_offsets(5, 9, 32, count=4)[:1] == draw_offsets(5, 9, 32, count=1)


@pytest.mark.parametrize('count', [2, 3, 9])
def test_offsets_of_an_image_differ(count):
    for index in range(200):
        offsets = draw_offsets(0, index, 3, count)
        assert len(set(offsets)) == count
        assert all(0 <= coordinate < 3 for offset in offsets for coordinate in offset)


@pytest.mark.parametrize('which', [0, 1], ids=['first', 'second'])
def test_every_offset_is_equally_likely(which):
    images, side = 8000, 4
    counts = dict.fromkeys(((y, x) for y in range(side) for x in range(side)), 0)
    for index in range(images):
        counts[draw_offsets(0, index, side)[which]] += 1
    expected = images / side**2
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 37.70  # 99.9 % quantile for 15 degrees of freedom


def test_every_pair_of_offsets_is_equally_likely():
    images = 6000
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    counts = dict.fromkeys((frozenset(pair) for pair in combinations(cells, 2)), 0)
    for index in range(images):
        counts[frozenset(draw_offsets(1, index, 2))] += 1
    expected = images / 6
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 20.52  # 5 degrees of freedom


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(seed=-1, index=0, max_shift=2), 'seed must be at least 0, got -1'),
        (dict(seed=0, index=-3, max_shift=2), 'index must be at least 0, got -3'),
        (dict(seed=0, index=0, max_shift=0), 'max_shift must be at least 1, got 0'),
        (dict(seed=0, index=0, max_shift=1), 'count must be between 1 and .* 1, .* got 2'),
        (dict(seed=0, index=0, max_shift=2, count=5), 'count must be between 1 and .* 4, .* got 5'),
        (dict(seed=0, index=0, max_shift=2, count=0), 'count must be between 1 and .* 4, .* got 0'),
    ],
    ids=['seed', 'index', 'max_shift', 'one-cell', 'too-many', 'none'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_offsets(**arguments)


@pytest.mark.parametrize('which', [0, 1], ids=['first', 'second'])
def test_every_batch_offset_is_equally_likely(which):
    draws, side = 8000, 4
    counts = dict.fromkeys(((y, x) for y in range(side) for x in range(side)), 0)
    for draw in range(draws):
        counts[draw_batch_offsets(0, draw % 5, draw // 5, side)[which]] += 1
    expected = draws / side**2
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 37.70  # as above


def test_batch_offsets_may_be_equal():
    equal = sum(first == second for first, second in (draw_batch_offsets(0, 0, batch, 4) for batch in range(3200)))
    assert equal == pytest.approx(3200 / 16, abs=4 * (3200 / 16 * 15 / 16) ** 0.5)


@pytest.mark.parametrize('other', [dict(seed=1), dict(repeat=1), dict(batch=1)], ids=['seed', 'repeat', 'batch'])
def test_seed_repeat_and_batch_all_matter(other):
    base = dict(seed=0, repeat=0, batch=0, max_shift=1000)
    assert draw_batch_offsets(**base) != draw_batch_offsets(**base | other)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(repeat=-1), 'repeat must be at least 0, got -1'),
        (dict(batch=-1), 'batch must be at least 0, got -1'),
        (dict(max_shift=0), 'max_shift must be at least 1, got 0'),
        (dict(count=0), 'count must be at least 1, got 0'),
    ],
    ids=['seed', 'repeat', 'batch', 'max_shift', 'count'],
)
def test_bad_batch_argument(changes, message):
    with pytest.raises(ValueError, match=message):
        draw_batch_offsets(**dict(seed=0, repeat=0, batch=0, max_shift=2) | changes)


@pytest.mark.parametrize('count', [1, 2, 9])
def test_no_fractions_are_the_whole_offsets(count):
    for index in range(50):
        assert draw_subpixel_offsets(2, index, 3, count, subpixel=1) == draw_offsets(2, index, 3, count)


@pytest.mark.parametrize('subpixel', [2, 3])
def test_fractional_offsets_differ_and_begin_whole(subpixel):
    for index in range(200):
        offsets = draw_subpixel_offsets(0, index, 2, 4, subpixel)
        assert len(set(offsets)) == 4
        assert all(side in (0, 1) for side in offsets[0])
        assert all(side * subpixel in range(2 * subpixel) for offset in offsets for side in offset)


def test_every_fractional_offset_is_equally_likely():
    images, side, subpixel = 6000, 2, 2
    whole = [(y, x) for y in range(side) for x in range(side)]
    fine = [(y / subpixel, x / subpixel) for y in range(side * subpixel) for x in range(side * subpixel)]
    counts = {(first, second): 0 for first in whole for second in fine if first != second}
    for index in range(images):
        counts[draw_subpixel_offsets(0, index, side, subpixel=subpixel)] += 1
    expected = images / (4 * 15)
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 98.32  # 59 degrees of freedom, 0.1 %


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(index=-1), 'index must be at least 0, got -1'),
        (dict(max_shift=0), 'max_shift must be at least 1, got 0'),
        (dict(subpixel=0), 'subpixel must be at least 1, got 0'),
        (dict(count=5), 'count must be between 1 and .* 4, .* got 5'),
    ],
    ids=['seed', 'index', 'max_shift', 'subpixel', 'too-many'],
)
def test_bad_subpixel_argument(changes, message):
    with pytest.raises(ValueError, match=message):
        draw_subpixel_offsets(**dict(seed=0, index=0, max_shift=2) | changes)
