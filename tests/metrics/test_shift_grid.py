from collections import Counter

import pytest
import torch

from antialias_plugins.metrics import ShiftGrid


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
def test_offsets(arguments, sides):
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
        (dict(max_shift=4, stride=0), r'stride must be from 1 to .* = 3, .* got 0'),
        (dict(max_shift=4, crop_size=3), r'crop_size must not be below max_shift 4, .* got \(3, 3\)'),
        (dict(subpixel=0), 'subpixel must be 1, .* got 0'),
        (dict(subpixel=2), 'subpixel must be 1, or above 1 and circular True, got 2, False'),
    ],
    ids=['max_shift', 'one-view', 'stride', 'no-stride', 'crop', 'subpixel', 'subpixel-crops'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        ShiftGrid(**arguments)
