import pytest
import torch

from antialias_plugins.metrics import BoundaryAgreement, boundary_agreement, boundary_band

STEP = torch.tensor([[0] * 4 + [1] * 4] * 3)


def noise(classes, size=(9, 11), seed=0):
    return torch.randint(classes, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('width', [1, 2, 3, 4, 9])
def test_straight_boundary(width):
    near = [min(abs(x - 3), abs(x - 4)) < width for x in range(8)]
    assert boundary_band(STEP, width).tolist() == [near] * 3


def test_corners_touch():
    square = torch.zeros(7, 7)
    square[3, 3] = 1
    assert boundary_band(square, 2).sum() == 25  # all of the 5x5 window around the pixel


@pytest.mark.parametrize('width', [1, 5])
def test_border_of_the_map_is_no_boundary(width):
    assert not boundary_band(torch.full((4, 6), 3), width).any()


def near_another_class(classes, width):
    """Pixel by pixel: whether a pixel of another class lies in the square window around it."""
    height, length = classes.shape
    band = torch.zeros(height, length, dtype=torch.bool)
    for y in range(height):
        for x in range(length):
            window = classes[max(y - width, 0) : y + width + 1, max(x - width, 0) : x + width + 1]
            band[y, x] = any(value != classes[y, x] for value in window.flatten())
    return band


def blobs(seed):
    """Few large regions, so that the band does not cover everything."""
    coarse = noise(3, (3, 4), seed).double()[None, None]
    return torch.nn.functional.interpolate(coarse, (14, 23), mode='nearest')[0, 0].long()


@pytest.mark.parametrize('width', [1, 2, 3, 20])
@pytest.mark.parametrize('dtype', [torch.int64, torch.uint8, torch.float64], ids=str)
def test_band_matches_brute_force(width, dtype):
    for seed in range(5):
        classes = blobs(seed).to(dtype)
        assert torch.equal(boundary_band(classes, width), near_another_class(classes, width))


def eroded(mask):
    """One erosion by a 3x3 window, in which the outside of the map counts as inside of the mask."""
    inner = torch.nn.functional.pad(mask, (1, 1, 1, 1), value=True)
    height, width = mask.shape
    windows = [inner[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.stack(windows).all(0)


@pytest.mark.parametrize('width', [1, 2, 4])
def test_band_is_that_of_boundary_iou(width):
    """Every class's mask without what is left of it after ``width`` erosions, as Boundary IoU defines its band."""
    classes, expected = blobs(3), torch.zeros(14, 23, dtype=torch.bool)
    for index in range(3):
        mask = inner = classes == index
        for _ in range(width):
            inner = eroded(inner)
        expected |= mask & ~inner
    assert torch.equal(boundary_band(classes, width), expected)


@pytest.mark.parametrize(
    ('pred_b', 'label', 'expected'),
    [
        (STEP, None, (6, 6, 18, 18)),
        (1 - STEP, None, (0, 6, 0, 18)),
        (STEP.roll(1, 1), None, (9, 15, 9, 9)),  # bands of columns 0, 1, 3, 4 and 5; they differ in 0 and 4
        (STEP.roll(1, 1), STEP, (3, 6, 15, 18)),
        (STEP.roll(1, 1), STEP + torch.tensor([[255] * 4 + [0] * 4]), (0, 3, 9, 9)),
    ],
    ids=['all', 'none', 'both', 'label', 'ignored-half'],
)
def test_agreement(pred_b, label, expected):
    assert boundary_agreement(STEP, pred_b, 1, label) == BoundaryAgreement(*expected)


@pytest.mark.parametrize('width', [1, 2])
def test_agreement_matches_brute_force(width):
    for seed in range(5):
        pred_a, pred_b, label = blobs(seed), blobs(seed).roll((1, 2), (0, 1)), blobs(seed + 9)
        same = pred_a == pred_b
        bands = near_another_class(pred_a, width), near_another_class(pred_b, width), near_another_class(label, width)
        for band, counted, arguments in (
            (bands[0] | bands[1], torch.ones(14, 23, dtype=torch.bool), ()),
            (bands[2], label != 1, (label, 1)),
        ):
            parts = band & counted, ~band & counted
            expected = [int(count) for part in parts for count in ((same & part).sum(), part.sum())]
            assert boundary_agreement(pred_a, pred_b, width, *arguments) == BoundaryAgreement(*expected)


def test_ignored_everywhere_has_no_share():
    agreement = boundary_agreement(STEP, STEP, 1, torch.full_like(STEP, 255))
    assert (agreement.boundary_share, agreement.interior_share) == (None, None)


def test_shares():
    agreement = boundary_agreement(STEP, STEP.roll(1, 1), 1, STEP)
    assert (agreement.boundary_share, agreement.interior_share) == (1 / 2, 15 / 18)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((STEP, STEP, 0), 'width must be at least 1, got 0'),
        ((STEP, STEP[:, :5], 1), r'same shape \(h, w\), got \(3, 8\) and \(3, 5\)'),
        ((STEP, STEP, 1, STEP[:2]), r'label must have the shape \(3, 8\) of the class maps, got \(2, 8\)'),
    ],
    ids=['width', 'sizes', 'label'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        boundary_agreement(*arguments)


def test_band_needs_a_map():
    with pytest.raises(ValueError, match=r'classes must have shape \(h, w\), got \(1, 3, 8\)'):
        boundary_band(STEP[None], 1)
