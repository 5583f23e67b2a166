"""Offsets that are drawn, and the plan and the grid made of them."""

from collections import Counter
from itertools import combinations

import pytest
import torch

from antialias_plugins.metrics import (
    ShiftGrid,
    ViewPlan,
    draw_batch_offsets,
    draw_offsets,
    draw_subpixel_offsets,
    fourier_shift,
)


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
        (dict(seed=0, index=0, max_shift=2, count=0), 'count must be at least 1, got 0'),
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


def coordinates(height, width):
    """An image whose pixel says where it lies."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    return torch.stack([rows, columns])


def corners(views):
    return [tuple(view[:, 0, 0].tolist()) for view in views]


def test_crops_begin_at_their_offsets_in_the_central_frame():
    plan = ViewPlan(max_shift=4, crop_size=(6, 8), views=3, seed=2)
    views = plan.cut(5, coordinates(13, 12))
    assert views.shape == (3, 2, 6, 8)
    # A frame of 10x12 in an image of 13x12 begins at row 1.
    assert corners(views) == [(1 + y, x) for y, x in draw_offsets(2, 5, 4, 3)]


def test_circular_views_wrap_the_central_crop():
    plan = ViewPlan(max_shift=4, crop_size=(6, 8), circular=True)
    centre = coordinates(13, 12)[:, 3:9, 2:10]
    views = plan.cut(7, coordinates(13, 12))
    for view, (y, x) in zip(views, draw_offsets(0, 7, 4), strict=True):
        assert torch.equal(view, centre[:, [(y + i) % 6 for i in range(6)]][:, :, [(x + j) % 8 for j in range(8)]])


def test_fractional_views_shift_the_central_crop():
    plan = ViewPlan(max_shift=4, crop_size=(6, 8), views=3, circular=True, subpixel=4)
    image = coordinates(13, 12).double()
    expected = [fourier_shift(image[:, 3:9, 2:10], (-y, -x)) for y, x in draw_subpixel_offsets(0, 7, 4, 3, subpixel=4)]
    torch.testing.assert_close(plan.cut(7, image), torch.stack(expected), atol=0, rtol=0)


def test_published_sizes():
    plan = ViewPlan()
    assert plan.frame_size == (256, 256)
    assert plan.cut(0, torch.zeros(3, 256, 256, dtype=torch.uint8)).shape == (2, 3, 224, 224)


def test_legacy_batches_share_their_offsets():
    plan = ViewPlan(max_shift=8, crop_size=16, protocol='legacy', batch_size=3, seed=1)
    offsets = [plan.offsets(index) for index in range(7)]
    assert offsets[0] == offsets[1] == offsets[2] != offsets[3] == offsets[4] == offsets[5] != offsets[6]
    assert offsets[6] == [offset for repeat in range(5) for offset in draw_batch_offsets(1, repeat, 2, 8)]


@pytest.mark.parametrize(
    ('plan', 'text'),
    [
        (ViewPlan(), '2 crops of 224×224 from 256×256, seed 0'),
        (ViewPlan(views=3, circular=True, seed=4), '3 crops of 224×224 shifted circularly, seed 4'),
        (
            ViewPlan(protocol='legacy', batch_size=8),
            '2 crops of 224×224 from 256×256, shared by 8 images, 5 repeats, seed 0',
        ),
        (
            ViewPlan(circular=True, subpixel=4),
            '2 crops of 224×224 shifted circularly, in steps of 1/4 pixel, seed 0',
        ),
    ],
    ids=['crops', 'circular', 'legacy', 'subpixel'],
)
def test_str(plan, text):
    assert str(plan) == text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(max_shift=1), r'max_shift must be at least 2, got 1'),
        (dict(max_shift=9, crop_size=(8, 20)), r'max_shift must be between 2 and .* \(8, 20\), got 9'),
        (dict(views=1), 'views must be at least 2, got 1'),
        (dict(views=5, max_shift=2), 'views must be between 2 and max_shift² = 4, got 5'),
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(protocol='old'), "protocol must be one of 'per_image', 'legacy', got 'old'"),
        (dict(batch_size=8), 'batch_size must be None unless the protocol is legacy, got 8'),
        (dict(protocol='legacy'), 'batch_size must be an integer of at least 1, got None'),
        (dict(protocol='legacy', batch_size=0), 'batch_size must be at least 1, got 0'),
        (dict(subpixel=0), 'subpixel must be at least 1, got 0'),
        (dict(max_shift='4'), "max_shift must be an integer of at least 2, got '4'"),
        (dict(max_shift=4.0), 'max_shift must be an integer of at least 2, got 4.0'),
        (dict(seed='0'), "seed must be an integer of at least 0, got '0'"),
        (dict(views=True), 'views must be an integer of at least 2, got True'),
        (dict(crop_size='32'), "crop_size must be an integer of at least 1 or a pair of them, got '32'"),
        (dict(crop_size=(8, 0)), r'crop_size must be .* got \(8, 0\)'),
        (dict(circular='False'), "circular must be True or False, got 'False'"),
        (dict(subpixel=2), "subpixel must be 1 unless .* got 2 with circular False and protocol 'per_image'"),
        (
            dict(subpixel=2, circular=True, protocol='legacy', batch_size=8),
            "subpixel must be 1 unless .* got 2 with circular True and protocol 'legacy'",
        ),
    ],
    ids=[
        'no-shift',
        'shift',
        'one-view',
        'views',
        'seed',
        'protocol',
        'batch_size',
        'no-batch_size',
        'batch_size-0',
        'subpixel',
        'text',
        'float',
        'seed-text',
        'bool',
        'size-text',
        'size-0',
        'circular-text',
        'subpixel-crops',
        'subpixel-legacy',
    ],
)
def test_bad_plan(arguments, message):
    with pytest.raises(ValueError, match=message):
        ViewPlan(**arguments)


@pytest.mark.parametrize(
    ('shape', 'circular', 'message'),
    [
        ((3, 255, 300), False, 'image must be at least 256x256, got 255x300'),
        ((3, 300, 223), True, 'image must be at least 224x224, got 300x223'),
        ((256, 256), False, r'image must have shape \(C, H, W\), got \(256, 256\)'),
    ],
    ids=['crops', 'circular', 'no-channels'],
)
def test_bad_image(shape, circular, message):
    with pytest.raises(ValueError, match=message):
        ViewPlan(circular=circular).cut(0, torch.zeros(shape))


@pytest.mark.parametrize(
    ('arguments', 'sides'),
    [
        (dict(max_shift=3), [0, 1, 2]),
        (dict(max_shift=7, stride=3), [0, 3, 6]),
        (dict(max_shift=1, circular=True, subpixel=4), [0, 0.25, 0.5, 0.75]),
        (dict(max_shift=2, circular=True, subpixel=2), [0, 0.5, 1, 1.5]),
        (dict(max_shift=3, stride=3, circular=True, subpixel=2), [0, 1.5]),
    ],
    ids=['whole', 'stride', 'quarters', 'halves', 'one-and-a-half'],
)
def test_grid(arguments, sides):
    offsets = ShiftGrid(**arguments).offsets
    assert offsets == tuple((down, right) for down in sides for right in sides)


@pytest.mark.parametrize('batch_size', [1, 4, 5, 9, 100])
def test_batches_are_bounded_and_complete(batch_size):
    grid = ShiftGrid(max_shift=3, crop_size=(4, 5))
    image = torch.arange(80).view(1, 8, 10)  # its central 7x8 begins at (0, 1)
    seen = Counter()
    for offsets, views in grid.batches(image, batch_size):
        assert len(offsets) == len(views) <= batch_size
        for (down, right), view in zip(offsets, views, strict=True):
            assert torch.equal(view, image[:, down : down + 4, 1 + right : 6 + right])
        seen.update(offsets)
    assert seen == dict.fromkeys(grid.offsets, 1)


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_views_are_as_large_as_the_image_allows(circular):
    [(_, views)] = ShiftGrid(max_shift=3, circular=circular).batches(torch.zeros(2, 8, 10), 9)
    assert views.shape == ((9, 2, 8, 10) if circular else (9, 2, 5, 7))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(max_shift=0), 'max_shift must be at least 1, got 0'),
        (dict(max_shift=1), r'stride must be from 1 to max_shift · subpixel - 1 = 0, .* got 1'),
        (dict(max_shift=4, stride=4), r'stride must be from 1 to .* = 3, .* got 4'),
        (dict(max_shift=4, stride=0), r'stride must be at least 1, got 0'),
        (dict(max_shift=4, crop_size=3), r'crop_size must not be below max_shift 4, .* got \(3, 3\)'),
        (dict(subpixel=0), 'subpixel must be at least 1, got 0'),
        (dict(subpixel=2), 'subpixel must be 1, or above 1 and circular True, got 2, False'),
    ],
    ids=['max_shift', 'one-view', 'stride', 'no-stride', 'crop', 'subpixel', 'subpixel-crops'],
)
def test_bad_grid(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShiftGrid(**arguments)
