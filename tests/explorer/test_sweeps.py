import math

import pytest
import torch

from antialias_plugins.explorer.sweeps import compare_logits, compare_maps, running_mean, shift_path
from tests.explorer.conftest import MAX_SHIFT, VIEW, random_maps


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
        ('up', 2, "direction must be one of 'diagonal', 'horizontal', 'vertical', got 'up'"),
        ('diagonal', 0, 'max_shift must be at least 1, got 0'),
        ('diagonal', '4', "max_shift must be an integer of at least 1, got '4'"),
    ],
    ids=['direction', 'max_shift', 'text'],
)
def test_a_path_that_cannot_be_is_named(direction, max_shift, message):
    with pytest.raises(ValueError, match=message):
        shift_path(direction, max_shift)


def flips_one_by_one(maps, path):
    """Positions in the view where the same pixel of the first view has another class; by shift."""
    height, width = maps.shape[1:]
    for current, (down, right) in zip(maps.tolist(), path, strict=True):
        yield [
            [y, x]
            for y in range(height - down)
            for x in range(width - right)
            if current[y][x] != maps[0, y + down, x + right]
        ]


@pytest.mark.parametrize('direction', ['diagonal', 'horizontal', 'vertical'])
def test_maps_against_a_loop(direction):
    path = shift_path(direction, MAX_SHIFT)
    maps = random_maps(0, 0.2, path)
    flipped, agreement = compare_maps(maps, path)
    for shift, (flips, (down, right)) in enumerate(zip(flips_one_by_one(maps, path), path, strict=True)):
        assert flipped[shift].nonzero().tolist() == flips
        pixels = (VIEW[0] - down) * (VIEW[1] - right)
        assert agreement[shift] == pytest.approx(1 - len(flips) / pixels, abs=1e-12)


def test_maps_that_can_be_counted_by_hand():
    scene = torch.tensor([[0, 0, 1, 1, 2]])
    maps = torch.stack([scene[:, :4], scene[:, 1:]])
    maps[1, 0, 1] = 3  # of the three pixels of the overlap the middle one
    path = shift_path('horizontal', 1)
    flipped, agreement = compare_maps(maps, path)
    assert agreement == (1, pytest.approx(2 / 3))
    assert flipped.tolist() == [[[False] * 4], [[False, True, False, False]]]


@pytest.mark.parametrize('label', [None, 2], ids=['top class', 'label'])
def test_logits_against_a_loop(label):
    logits = torch.randn(5, 4, dtype=torch.float64)
    sweep = compare_logits(logits, shift_path('diagonal', 4), label)
    tops = [max(range(4), key=row.__getitem__) for row in logits.tolist()]
    watched = tops[0] if label is None else label
    assert sweep.watched == watched
    assert sweep.prediction.tolist() == tops
    assert sweep.agreement == tuple(float(top == tops[0]) for top in tops)
    for shift, row in enumerate(logits.tolist()):
        total = sum(map(math.exp, row))
        assert sweep.probability[shift].item() == pytest.approx(math.exp(row[watched]) / total, rel=1e-12)
        assert sweep.confidence[shift].item() == pytest.approx(math.exp(max(row)) / total, rel=1e-12)


def test_the_first_view_does_not_count_in_the_mean():
    assert running_mean([1.0, 0.0, 0.5, 1.0]) == [None, 0.0, 0.25, 0.5]


@pytest.mark.parametrize(
    ('compare', 'message'),
    [
        (lambda path: compare_maps(torch.zeros(2, 4, 4), path), 'maps must hold one .* each of 4 offsets, got 2'),
        (lambda path: compare_logits(torch.zeros(2, 4), path), 'logits must hold one .* each of 4 offsets, got 2'),
        (lambda path: compare_logits(torch.zeros(4, 4), path, 4), 'label must be one of 4 classes, got 4'),
        (lambda path: compare_maps(torch.zeros(4, 3, 3), path), 'must let crops of size .* overlap'),
    ],
    ids=['maps', 'logits', 'label', 'no overlap'],
)
def test_what_does_not_fit_is_named(compare, message):
    with pytest.raises(ValueError, match=message):
        compare(shift_path('diagonal', 3))
