import pytest
import torch

from antialias_plugins.metrics import ClassAgreement, class_agreement, segmentation_consistency

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


def brute_force(pred_a, pred_b, num_classes, label=None, ignore_index=255):
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
def test_matches_brute_force(dtype):
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        preds = torch.randint(4, (2, 5, 6), generator=generator).to(dtype)
        label = torch.randint(5, (5, 6), generator=generator)
        for arguments in ((*preds, 5), (*preds, 5, label), (*preds, 5, label, 2)):
            assert class_agreement(*arguments) == brute_force(*arguments)


def test_order_does_not_matter():
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
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        class_agreement(*arguments)
