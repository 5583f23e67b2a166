"""Hand-made cases: two crops of 20x20 at (0, 0) and (4, 2), whose overlap is rows 4 to 19 and columns 2 to 19."""

from fractions import Fraction
from itertools import permutations

import pytest
import torch

from antialias_plugins.metrics import InstanceAgreement, InstanceRule, Instances, instance_agreement

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
        (dict(kind='boxes'), "kind must be one of the instances' shapes, mask or box, got 'boxes'"),
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
