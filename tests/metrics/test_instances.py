"""Instances of two crops, in hand-made cases and against sets, torchvision and SciPy."""

from fractions import Fraction
from itertools import permutations
from time import perf_counter

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from antialias_plugins.metrics import InstanceAgreement, InstanceRule, Instances, instance_agreement
from antialias_plugins.metrics.instances import areas, clip, ious, largest_matching

TWO, BOXES, MASKS = torch.ones(2), torch.ones(2, 4), torch.ones(2, 5, 6, dtype=torch.bool)


@pytest.mark.parametrize(
    ('arguments', 'kinds'),
    [((TWO, TWO, BOXES, MASKS), {'mask', 'box'}), ((TWO, TWO, BOXES), {'box'}), ((TWO, TWO, None, MASKS), {'mask'})],
    ids=['both', 'boxes', 'masks'],
)
def test_kinds_of_shapes(arguments, kinds):
    assert Instances(*arguments).shapes.keys() == kinds


def test_there_may_be_none():
    assert Instances(TWO[:0], TWO[:0], BOXES[:0], MASKS[:0]).shapes['mask'].shape == (0, 5, 6)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((TWO, TWO), 'boxes or masks must be given, got neither'),
        ((TWO[None], TWO, BOXES), r'scores must have shape \(N,\), got \(1, 2\)'),
        ((TWO, TWO[:1], BOXES), r'labels must have shape \(2,\) for 2 scores, got \(1,\)'),
        ((TWO, TWO, BOXES[:, :3]), r'boxes must have shape \(2, 4\) for 2 scores, got \(2, 3\)'),
        ((TWO / 0, TWO, BOXES), r'scores must be finite, got \[inf, inf\]'),
        ((TWO, TWO, BOXES * torch.nan), r'boxes must be finite, got \[nan'),
        ((TWO, TWO, None, MASKS[:1]), r'masks must be boolean and of shape \(2, h, w\), got .* \(1, 5, 6\)'),
        ((TWO, TWO, None, MASKS[0]), r'masks must be boolean and of shape \(2, h, w\), got .* \(5, 6\)'),
        ((TWO, TWO, None, MASKS.float()), r'masks must be boolean .* got torch.float32 of shape'),
    ],
    ids=['neither', 'batch', 'labels', 'boxes', 'scores', 'nan', 'masks', 'mask', 'probabilities'],
)
def test_bad_instances(arguments, message):
    with pytest.raises(ValueError, match=message):
        Instances(*arguments)


@pytest.mark.parametrize(
    ('allowed', 'pairs'),
    [
        ([[1]], 1),
        ([[0]], 0),
        ([[1, 1]], 1),
        ([[1], [1], [1]], 1),
        ([[1, 1], [1, 0]], 2),  # taking the first that is free would leave the second row without
        ([[1, 1, 0], [0, 1, 1], [0, 1, 0]], 3),
        ([[1, 1, 0], [1, 1, 0], [1, 1, 0]], 2),
    ],
    ids=['pair', 'strangers', 'one-row', 'one-column', 'give-way', 'chain', 'rivals'],
)
def test_matching_by_hand(allowed, pairs):
    assert largest_matching(torch.tensor(allowed, dtype=torch.bool)) == pairs


@pytest.mark.parametrize('shape', [(0, 3), (3, 0), (0, 0)], ids=str)
def test_nothing_to_pair(shape):
    assert largest_matching(torch.ones(shape, dtype=torch.bool)) == 0


def augmented_matching(allowed):
    """Pairs by augmenting paths: a row whose columns are taken lets the rows that took them look for others."""
    columns, taken = [row.nonzero().flatten().tolist() for row in allowed], {}

    def place(row, tried):
        for column in columns[row]:
            if column not in tried:
                tried.add(column)
                if column not in taken or place(taken[column], tried):
                    taken[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(columns)))


def test_matches_augmenting_paths():
    generator = torch.Generator().manual_seed(0)
    for density in (0.1, 0.2, 0.3, 0.5, 0.9):
        for rows, columns in ((7, 7), (12, 5), (4, 20), (40, 40)):
            allowed = torch.rand(rows, columns, generator=generator) < density
            assert largest_matching(allowed) == augmented_matching(allowed)


def test_many_instances_on_one_place():
    """1200 boxes that all overlap took 23 s, and then a RecursionError."""
    boxes = torch.tensor([5.0, 5, 60, 60]) + torch.rand(1200, 4, generator=torch.Generator().manual_seed(0))
    found = Instances(torch.ones(1200), torch.zeros(1200), boxes)
    start = perf_counter()
    assert instance_agreement(found, found, (64, 64), (0, 0), (0, 0), 'box').share == 1
    assert perf_counter() - start < 5


SPANS = [(4, 20), (2, 20)]  # rows, then columns


def random_boxes(count, seed):
    corners = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 20
    sides = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed + 1)) * 15
    return torch.cat([corners, corners + sides], 1).double()


def test_boxes_match_torchvision():
    first, second = random_boxes(40, 0), random_boxes(30, 2)
    assert (box_iou(first, second) > 0).sum() > 100
    torch.testing.assert_close(ious(first, second), box_iou(first, second), rtol=1e-14, atol=0)


def test_masks_match_numpy():
    rng = np.random.default_rng(0)
    first, second = rng.random((6, 9, 11)) < 0.5, rng.random((5, 9, 11)) < 0.3
    expected = [[np.logical_and(a, b).sum() / np.logical_or(a, b).sum() for b in second] for a in first]
    assert ious(torch.from_numpy(first), torch.from_numpy(second)).tolist() == expected


def test_masks_of_rectangles_are_as_boxes():
    corners = torch.randint(12, (20, 2), generator=torch.Generator().manual_seed(0))
    boxes = torch.cat([corners, corners + torch.randint(1, 9, (20, 2))], 1)
    masks = torch.zeros(20, 20, 20, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        mask[top:bottom, left:right] = True
    assert areas(masks).tolist() == areas(boxes.double()).tolist()
    assert ious(masks, masks).tolist() == ious(boxes.double(), boxes.double()).tolist()


@pytest.mark.parametrize(
    ('box', 'clipped', 'area'),
    [
        ((3, 5, 8, 9), (5, 9, 10, 13), 20),
        ((-1, -3, 8, 9), (2, 4, 10, 13), 72),
        ((10, 10, 30, 30), (12, 14, 20, 20), 48),
        ((0, 0, 8, 0), (2, 4, 10, 4), 0),
        ((0, -4, 8, -1), (2, 4, 10, 4), 0),
        ((8, 5, 3, 9), (10, 9, 5, 13), 0),
    ],
    ids=['inside', 'top-left', 'bottom-right', 'flat', 'outside', 'inverted'],
)
def test_clip_boxes(box, clipped, area):
    found = clip(torch.tensor([box]).float(), SPANS, (4, 2))
    assert (found.tolist(), found.dtype) == ([list(clipped)], torch.float64)
    assert areas(found).tolist() == [area]


def test_clip_masks():
    image = torch.arange(24 * 22).view(1, 24, 22)
    crop = image[:, 4:24, 2:22] % 3 == 0
    assert torch.equal(clip(crop, SPANS, (4, 2)), image[:, 4:20, 2:20] % 3 == 0)


def test_tenths_are_exact():
    """At the published limit nothing may depend on rounding: 9 of 10 pixels, in many sizes, are 0.9."""
    for scale in (1, 3, 7, 11, 1001):
        whole = torch.tensor([[0.0, 0, 10, scale]]).double()
        part = torch.tensor([[0.0, 0, 9, scale]]).double()
        assert ious(whole, part).item() == 0.9


SIZE, OFFSETS = (20, 20), ((0, 0), (4, 2))

BOTH = pytest.mark.parametrize('kind', ['mask', 'box'])


def crop(offset, *found):
    """Rectangles ``(left, top, right, bottom, label, score)`` of the image, as a perfect detector sees them in a crop.

    Label and score may be left out. What lies beyond the crop it does not see.
    """
    rows, boxes = [tuple(row) + (0, 0.9)[len(row) - 4 :] for row in found], []
    masks = torch.zeros(len(rows), *SIZE, dtype=torch.bool)
    for mask, (left, top, right, bottom, *_) in zip(masks, rows, strict=True):
        sides = [left - offset[1], top - offset[0], right - offset[1], bottom - offset[0]]
        boxes.append([min(max(side, 0), 20) for side in sides])
        left, top, right, bottom = boxes[-1]
        mask[top:bottom, left:right] = True
    scores, labels = torch.tensor([row[5] for row in rows]), torch.tensor([row[4] for row in rows])
    return Instances(scores, labels, torch.tensor(boxes).float().view(-1, 4), masks)


def agree(kind, first, second, rule=None):
    """Count, and check that the crops may be swapped."""
    pair = [crop(offset, *found) for offset, found in zip(OFFSETS, (first, second), strict=True)]
    found = instance_agreement(*pair, SIZE, *OFFSETS, kind, rule)
    assert found == instance_agreement(*pair[::-1], SIZE, *OFFSETS[::-1], kind, rule)
    return found.positive, found.instances


BIG, SMALL = (4, 6, 14, 16), (15, 6, 19, 10)  # 100 and 16 pixels, inside of the overlap


@BOTH
@pytest.mark.parametrize(
    ('first', 'second', 'positive', 'instances'),
    [
        ([BIG, SMALL], [BIG, SMALL], 4, 4),
        ([BIG, SMALL], [SMALL, BIG], 4, 4),
        ([BIG, SMALL], [BIG], 2, 3),
        ([BIG], [SMALL], 0, 2),
        ([BIG], [], 0, 1),
        ([], [], 0, 0),
        ([(*BIG, 1), SMALL], [(*BIG, 2), SMALL], 2, 4),
        ([(*BIG, 1), (*SMALL, 2)], [(*BIG, 2), (*SMALL, 1)], 0, 4),
        ([BIG], [BIG, BIG], 2, 3),
        ([BIG, BIG], [BIG, BIG, SMALL], 4, 5),
        ([(*BIG, 1), (*BIG, 2)], [(*BIG, 2)], 2, 3),
    ],
    ids=[
        'identical',
        'other-order',
        'one-missing',
        'nothing-in-common',
        'empty-crop',
        'both-empty',
        'class-swap',
        'classes-exchanged',
        'duplicate',
        'duplicate-in-both',
        'duplicate-of-another-class',
    ],
)
def test_who_has_a_partner(kind, first, second, positive, instances):
    assert agree(kind, first, second) == (positive, instances)


@BOTH
@pytest.mark.parametrize(
    ('first', 'second', 'iou', 'same'),
    [
        ((3, 5, 13, 6), (3, 5, 12, 6), (9, 10), True),  # areas of 10 and 9
        ((3, 5, 13, 15), (3, 5, 13, 14), (90, 100), True),
        ((3, 5, 13, 15), (3, 5, 12, 15), (90, 100), True),
        ((3, 5, 12, 15), (3, 5, 12, 14), (81, 90), True),
        ((3, 5, 12, 15), (3, 5, 11, 15), (80, 90), False),
        ((3, 5, 13, 15), (4, 5, 14, 15), (90, 110), False),  # one pixel aside: 10 wide is too narrow
    ],
    ids=['row', 'height', 'width', 'just', 'just-not', 'moved'],
)
def test_around_the_limit(kind, first, second, iou, same):
    assert (Fraction(*iou) >= Fraction(9, 10)) is same
    rule = InstanceRule(min_area=9)
    assert agree(kind, [first], [second], rule) == (2 if same else 0, 2)


@pytest.mark.parametrize(('width', 'same'), [(18, False), (19, True), (20, True)])
def test_one_pixel_aside(width, same):
    """Moved by one, a shape of width w has an IoU of (w - 1) / (w + 1), at least 0.9 from w = 19 on."""
    boxes = torch.tensor([[0.0, 0, width, 5]])
    moved = boxes + torch.tensor([1, 0, 1, 0])
    masks = torch.zeros(2, 1, 40, 40, dtype=torch.bool)
    masks[0, 0, :5, :width] = masks[1, 0, :5, 1 : width + 1] = True
    one, none = torch.ones(1), torch.zeros(1)
    pair = Instances(one, none, boxes, masks[0]), Instances(one, none, moved, masks[1])
    for kind in ('mask', 'box'):
        assert instance_agreement(*pair, (40, 40), (0, 0), (0, 0), kind) == InstanceAgreement(2 if same else 0, 2)


@BOTH
@pytest.mark.parametrize(
    ('found', 'positive', 'instances'),
    [
        ((4, 0, 14, 16), 2, 2),  # rows 0 to 3 lie in one crop only
        ((0, 6, 21, 16), 2, 2),  # beyond both sides
        ((4, 0, 14, 4), 0, 0),  # ends where the overlap begins
        ((4, 0, 14, 5), 2, 2),  # one row of ten pixels remains
        ((4, 0, 13, 5), 0, 0),  # one row of nine
        ((0, 0, 2, 20), 0, 0),
    ],
    ids=['top', 'sides', 'outside', 'sliver', 'too-small', 'left'],
)
def test_cut_by_the_edge(kind, found, positive, instances):
    assert agree(kind, [found], [found]) == (positive, instances)


def test_box_of_a_cut_object_that_does_not_fill_it():
    """An L whose foot is outside of the second crop: the same mask, but a box of the whole and a box of the part."""
    (top, left), one = OFFSETS[1], torch.ones(1)
    image = torch.zeros(24, 22, dtype=torch.bool)
    image[0:4, 4:14] = image[0:16, 4:6] = True
    whole = Instances(one, one, torch.tensor([[4.0, 0, 14, 16]]), image[None, :20, :20])
    part = Instances(one, one, torch.tensor([[2.0, 0, 4, 12]]), image[None, top : top + 20, left : left + 20])
    counts = [instance_agreement(whole, part, SIZE, *OFFSETS, kind).positive for kind in ('mask', 'box')]
    assert counts == [2, 0]


@BOTH
@pytest.mark.parametrize(
    ('rule', 'positive', 'instances'),
    [
        ({}, 0, 1),
        (dict(score_threshold=0.49), 2, 2),
        (dict(score_threshold=0.51), 0, 0),
        (dict(score_threshold=0.49, min_area=100), 2, 2),
        (dict(score_threshold=0.49, min_area=101), 0, 0),
    ],
    ids=['one-sure', 'both-sure', 'none-sure', 'area', 'area-above'],
)
def test_who_counts(kind, rule, positive, instances):
    found = agree(kind, [(*BIG, 0, 0.5)], [(*BIG, 0, 0.49)], InstanceRule(**rule))
    assert found == (positive, instances)


def test_share():
    assert InstanceAgreement(4, 6).share == 4 / 6
    assert InstanceAgreement(0, 3).share == 0
    assert InstanceAgreement(0, 0).share is None


def by_sets(pair, offsets, rule):
    """Pixel by pixel with sets and fractions, trying all ways to form pairs."""
    height, width = SIZE
    crops = [{(y + i, x + j) for i in range(height) for j in range(width)} for y, x in offsets]
    both, sides = crops[0] & crops[1], []
    for pred, (y, x) in zip(pair, offsets, strict=True):
        places = [{(y + i, x + j) for i, j in mask.nonzero().tolist()} & both for mask in pred.masks]
        rows = zip(pred.scores.tolist(), pred.labels.tolist(), places, strict=True)
        sides.append(
            [(label, place) for score, label, place in rows if score >= rule.score_threshold if len(place) >= 10]
        )
    few, many = sorted(sides, key=len)

    def partners(one, other):
        return one[0] == other[0] and Fraction(len(one[1] & other[1]), len(one[1] | other[1])) >= rule.iou_threshold

    pairs = max(sum(map(partners, few, order)) for order in permutations(many, len(few)))
    return InstanceAgreement(2 * pairs, len(few) + len(many))


def test_matches_sets():
    """Crowds of jittered copies of a few rectangles, at a limit that lets a shape have several possible partners."""
    generator, seen = torch.Generator().manual_seed(0), set()
    for case in range(40):
        rule = InstanceRule(score_threshold=0.25, iou_threshold=(0.5, 0.75)[case % 2])
        places = torch.randint(8, (2, 2), generator=generator)
        pair = []
        for offset in OFFSETS:
            chosen = torch.randint(2, (5,), generator=generator)
            corners = places[chosen] + torch.randint(3, (5, 2), generator=generator)
            rectangles = torch.cat([corners, corners + torch.randint(6, 9, (5, 2), generator=generator)], 1)
            labels, scores = torch.randint(2, (5,), generator=generator), torch.rand(5, generator=generator)
            rows = zip(rectangles.tolist(), labels.tolist(), scores.tolist(), strict=True)
            pair.append(crop(offset, *[(*sides, label, score) for sides, label, score in rows]))
        expected = by_sets(pair, OFFSETS, rule)
        assert {instance_agreement(*pair, SIZE, *OFFSETS, kind, rule) for kind in ('mask', 'box')} == {expected}
        seen.add(expected.positive)
    assert len(seen) > 3


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(kind='boxes'), "kind must be one of 'mask', 'box', got 'boxes'"),
        (dict(pred_a=Instances(torch.ones(0), torch.ones(0), torch.ones(0, 4))), "shapes, box, got 'mask'"),
        (dict(size=(20, 21)), r'masks must have the size \(20, 21\) of the crops, got \(20, 20\)'),
        (dict(offset_b=(20, 0)), r'must let crops of size \(20, 20\) overlap'),
        (dict(offset_a=(-1, 0)), 'must not be negative'),
    ],
    ids=['kind', 'no-masks', 'size', 'apart', 'negative'],
)
def test_bad_argument(changes, message):
    arguments = dict(pred_a=crop((0, 0), BIG), pred_b=crop((0, 0), BIG), size=SIZE, offset_a=(0, 0), offset_b=(0, 0))
    with pytest.raises(ValueError, match=message):
        instance_agreement(**arguments | changes)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(score_threshold=-0.1), 'score_threshold must be between 0 and 1, got -0.1'),
        (dict(score_threshold=1.1), 'score_threshold must be between 0 and 1, got 1.1'),
        (dict(iou_threshold=0), 'iou_threshold must be above 0 and at most 1, got 0'),
        (dict(iou_threshold=90), 'iou_threshold must be above 0 and at most 1, got 90'),
        (dict(min_area=0), 'min_area must be at least 1, got 0'),
    ],
    ids=['score-low', 'score-high', 'iou-low', 'iou-high', 'area'],
)
def test_bad_rule(options, message):
    with pytest.raises(ValueError, match=message):
        InstanceRule(**options)
