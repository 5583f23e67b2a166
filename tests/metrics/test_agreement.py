"""Agreement of two class maps, against loops over their pixels."""

import pytest
import torch

from antialias_plugins.metrics import (
    BoundaryAgreement,
    ClassAgreement,
    PairAgreement,
    boundary_agreement,
    boundary_band,
    class_agreement,
    segmentation_consistency,
)


def full(value, size=(3, 4)):
    return torch.full(size, value)


@pytest.mark.parametrize(
    ('pred_b', 'agreeing'),
    [(full(1), 12), (full(2), 0), (torch.tensor([[1, 2, 2, 2]] * 3), 3)],
    ids=['all', 'none', 'first-column'],
)
def test_same_place(pred_b, agreeing):
    assert segmentation_consistency(full(1), pred_b, (0, 0), (0, 0)) == PairAgreement(agreeing, 12)


@pytest.mark.parametrize(
    ('offset_a', 'offset_b', 'pixels'),
    [((0, 0), (1, 2), 4), ((1, 2), (0, 0), 4), ((2, 0), (0, 3), 1), ((5, 7), (5, 6), 9)],
    ids=['diagonal', 'swapped', 'antidiagonal', 'far-away'],
)
def test_overlap_is_found_by_place(offset_a, offset_b, pixels):
    world = torch.arange(200).view(10, 20)  # every pixel its own class
    crops = [world[y : y + 3, x : x + 4] for y, x in (offset_a, offset_b)]
    assert segmentation_consistency(*crops, offset_a, offset_b) == PairAgreement(pixels, pixels)


def test_one_pixel_off_is_no_agreement():
    world = torch.arange(200).view(10, 20)
    crops = world[0:3, 0:4], world[1:4, 2:6]
    assert segmentation_consistency(*crops, (0, 0), (1, 1)).agreeing == 0


def test_labels_select_pixels():
    label = torch.tensor([[255, 255, 255, 255, 255], [255, 0, 0, 255, 255], [255, 255, 0, 255, 255]])
    pred_b = torch.tensor([[1, 2], [2, 1]])
    agreement = segmentation_consistency(full(1, (2, 2)), pred_b, (1, 1), (1, 1), label)
    assert agreement == PairAgreement(agreeing=2, pixels=4, labelled_agreeing=2, labelled_pixels=3)
    assert agreement.share == 1 / 2
    assert agreement.labelled_share == 2 / 3


def test_all_ignored_has_no_labelled_share():
    agreement = segmentation_consistency(full(1), full(1), (0, 0), (0, 0), full(7), ignore_index=7)
    assert (agreement.share, agreement.labelled_share) == (1.0, None)


def brute_force(pred_a, pred_b, offset_a, offset_b, label, ignore_index):
    """Pixel by pixel of the image, with dictionaries from place to class."""
    seen_a, seen_b = (
        {(offset[0] + i, offset[1] + j): pred[i, j].item() for i in range(pred.shape[0]) for j in range(pred.shape[1])}
        for pred, offset in ((pred_a, offset_a), (pred_b, offset_b))
    )
    both = seen_a.keys() & seen_b.keys()
    labelled = {place for place in both if label[place] != ignore_index}
    return PairAgreement(
        sum(seen_a[place] == seen_b[place] for place in both),
        len(both),
        sum(seen_a[place] == seen_b[place] for place in labelled),
        len(labelled),
    )


@pytest.mark.parametrize('dtype', [torch.int64, torch.uint8, torch.float32], ids=str)
def test_matches_brute_force(dtype):
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        preds = torch.randint(3, (2, 6, 7), generator=generator).to(dtype)
        offsets = [tuple(pair) for pair in torch.randint(6, (2, 2), generator=generator).tolist()]
        label = torch.randint(4, (11, 12), generator=generator)
        arguments = (*preds, *offsets, label, 3)
        assert segmentation_consistency(*arguments) == brute_force(*arguments)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((full(1), full(1, (3, 5)), (0, 0), (0, 0)), r'same shape \(h, w\), got \(3, 4\) and \(3, 5\)'),
        ((full(1, (2, 3, 4)), full(1, (2, 3, 4)), (0, 0), (0, 0)), r'pred_a must have shape \(h, w\), got \(2, 3, 4\)'),
        ((full(1), full(1), (0, -1), (0, 0)), r'must not be negative, got \(0, -1\)'),
        ((full(1), full(1), (0, 0), (3, 0)), r'must let crops of size \(3, 4\) overlap'),
        (
            (full(1), full(1), (0, 1), (0, 2), full(0, (3, 4))),
            r'label must .* at least \(3, 5\), got \(3, 4\)',
        ),
    ],
    ids=['sizes', 'batch', 'negative', 'apart', 'label'],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        segmentation_consistency(*arguments)


STRIPES = torch.tensor([[0, 0, 1, 1, 2, 2]] * 2)

LATER = torch.tensor([[0, 0, 0, 1, 1, 2]] * 2)


@pytest.mark.parametrize(
    ('pred_b', 'shares'),
    [
        (STRIPES, {0: 1.0, 1: 1.0, 2: 1.0}),
        ((STRIPES + 1) % 3, {0: 0.0, 1: 0.0, 2: 0.0}),
        (LATER, {0: 4 / 5, 1: 1 / 2, 2: 2 / 3}),  # 2·2 / (2 + 3), 2·1 / (2 + 2) and 2·1 / (2 + 1), in each row
        (STRIPES + 3, {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 5: 0.0}),
    ],
    ids=['all', 'none', 'some', 'other-classes'],
)
def test_by_prediction(pred_b, shares):
    assert class_agreement(STRIPES, pred_b, num_classes=7).shares == pytest.approx(shares, abs=0)


@pytest.mark.parametrize(
    ('label', 'shares'),
    [
        (torch.full((2, 6), 5), {5: 4 / 6}),
        (STRIPES, {0: 1.0, 1: 0.5, 2: 0.5}),
        (torch.tensor([[4, 4, 3, 3, 3, 3], [9, 9, 9, 9, 3, 3]]), {3: 1 / 2, 4: 1.0}),
        (torch.full((2, 6), 9), {}),
    ],
    ids=['one-class', 'stripes', 'ignored-half', 'ignored-everywhere'],
)
def test_by_label(label, shares):
    assert class_agreement(STRIPES, LATER, num_classes=7, label=label, ignore_index=9).shares == shares


def test_ignore_index_may_be_a_class():
    agreement = class_agreement(STRIPES, LATER, num_classes=3, label=STRIPES, ignore_index=0)
    assert agreement == ClassAgreement(agreeing=(0, 2, 2), pixels=(0, 4, 4))


def classes_by_brute_force(pred_a, pred_b, num_classes, label=None, ignore_index=255):
    """Class by class and pixel by pixel."""
    agreeing, pixels = [0] * num_classes, [0] * num_classes
    for place in ((y, x) for y in range(pred_a.shape[0]) for x in range(pred_a.shape[1])):
        a, b = int(pred_a[place]), int(pred_b[place])
        owners = [a, b] if label is None else [int(label[place])]
        owners = [owner for owner in owners if label is None or owner != ignore_index]
        for owner in owners:
            pixels[owner] += 1
            agreeing[owner] += a == b
    return ClassAgreement(tuple(agreeing), tuple(pixels))


@pytest.mark.parametrize('dtype', [torch.int64, torch.uint8, torch.float32], ids=str)
def test_classes_match_brute_force(dtype):
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        preds = torch.randint(4, (2, 5, 6), generator=generator).to(dtype)
        label = torch.randint(5, (5, 6), generator=generator)
        for arguments in ((*preds, 5), (*preds, 5, label), (*preds, 5, label, 2)):
            assert class_agreement(*arguments) == classes_by_brute_force(*arguments)


def test_order_of_the_maps_does_not_matter():
    assert class_agreement(STRIPES, LATER, 3) == class_agreement(LATER, STRIPES, 3)


def test_classes_of_the_label_make_up_all_labelled_pixels():
    label = torch.tensor([[0, 1, 2, 3, 255, 255]] * 2)
    classes, pair = (
        class_agreement(STRIPES, LATER, 4, label),
        segmentation_consistency(STRIPES, LATER, (0, 0), (0, 0), label),
    )
    assert (sum(classes.agreeing), sum(classes.pixels)) == (pair.labelled_agreeing, pair.labelled_pixels)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((STRIPES, STRIPES[:1], 3), r'same shape \(h, w\), got \(2, 6\) and \(1, 6\)'),
        ((STRIPES, STRIPES, 0), 'num_classes must be at least 1, got 0'),
        ((STRIPES, STRIPES + 1, 3), 'pred_b must hold classes from 0 to 2, got 1 to 3'),
        ((STRIPES - 1, STRIPES, 3), 'pred_a must hold classes from 0 to 2, got -1 to 1'),
        ((STRIPES, STRIPES, 3, STRIPES + 250), 'label must hold classes from 0 to 2, got 250 to 252'),
        ((STRIPES, STRIPES, 3, STRIPES.T), r'label must have the shape \(2, 6\) of the class maps, got \(6, 2\)'),
    ],
    ids=['sizes', 'no-class', 'too-large', 'negative', 'label', 'label-size'],
)
def test_bad_class_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        class_agreement(*arguments)


STEP = torch.tensor([[0] * 4 + [1] * 4] * 3)


def noise(classes, size=(9, 11), seed=0):
    return torch.randint(classes, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('width', [1, 2, 3, 4, 9])
def test_straight_boundary(width):
    near = [min(abs(x - 3), abs(x - 4)) < width for x in range(8)]
    assert boundary_band(STEP, width).tolist() == [near] * 3


def test_neighbours_beyond_the_precision_of_floats():
    assert boundary_band(torch.tensor([[2**24, 2**24 + 1, 2**24 + 1]]), 1).tolist() == [[True, True, False]]


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


@pytest.mark.parametrize(
    ('width', 'dtype'), [(1, torch.int64), (2, torch.uint8), (3, torch.float64), (20, torch.int64)]
)
def test_band_matches_brute_force(width, dtype):
    for seed in range(3):
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
def test_boundary_agreement_matches_brute_force(width):
    for seed in range(3):
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


def test_boundary_shares():
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
def test_bad_boundary_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        boundary_agreement(*arguments)


def test_band_needs_a_map():
    with pytest.raises(ValueError, match=r'classes must have shape \(h, w\), got \(1, 3, 8\)'):
        boundary_band(STEP[None], 1)


MAP = torch.tensor([[0, 1, 2], [0, 0, 2]])
PROBABILITIES = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
FUNCTIONS = {
    'pair': lambda a, b, label=None, **options: segmentation_consistency(a, b, (0, 0), (0, 0), label, **options),
    'classes': lambda a, b, label=None, **options: class_agreement(a, b, 3, label, **options),
    'boundary': lambda a, b, label=None, **options: boundary_agreement(a, b, 1, label, **options),
}
COMPARE = pytest.mark.parametrize('compare', FUNCTIONS.values(), ids=FUNCTIONS)


@COMPARE
def test_maps_of_any_type(compare):
    expected = compare(MAP, MAP.flip(0), MAP.flip(1))
    for kind in (
        torch.Tensor.numpy,
        torch.Tensor.float,
        lambda it: it.numpy().astype('uint16')[::1],
        torch.Tensor.byte,
    ):
        assert compare(*map(kind, (MAP, MAP.flip(0), MAP.flip(1)))) == expected


@COMPARE
@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(a=PROBABILITIES),
            r'pred_a must hold classes, whole numbers, got 0\.\d+ of .*: take the argmax',
        ),
        (dict(b=torch.full((2, 3), torch.nan)), 'pred_b must hold classes, whole numbers, got nan of torch.float32'),
        (dict(a=torch.full((2, 3), torch.inf)), 'pred_a must hold classes, whole numbers, got infinite ones'),
        (dict(label=PROBABILITIES), 'label must hold classes, whole numbers'),
        (dict(label=torch.full((2, 3), -1)), 'label must hold classes of at least 0, or ignore_index 255, got -1'),
        (dict(label=MAP, ignore_index='255'), "ignore_index must be an integer, got '255'"),
        (dict(a=MAP[:0], b=MAP[:0]), r'pred_a must have shape \(h, w\), none of them 0, got \(0, 3\)'),
        (dict(a=[[0, 1, 2]]), 'pred_a must be a tensor, got list'),
    ],
    ids=['probabilities', 'nan', 'infinite', 'soft-label', 'negative', 'ignore_index', 'empty', 'list'],
)
def test_bad_maps(compare, changes, message):
    with pytest.raises(ValueError, match=message):
        compare(**(dict(a=MAP, b=MAP) | changes))


@COMPARE
def test_a_negative_label_that_is_ignored(compare):
    label = torch.where(MAP == 1, -1, MAP)
    assert compare(MAP, MAP, label, ignore_index=-1) == compare(MAP, MAP, torch.where(MAP == 1, 255, MAP))
