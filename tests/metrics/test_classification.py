"""Consistency of classifiers, against a plain script, chance and hand-made cases."""

from itertools import combinations
from math import exp

import numpy as np
import pytest
import torch
from torch import nn

from antialias_plugins.metrics import (
    ClassificationConsistency,
    ViewAgreement,
    classification_agreement,
    diagonal_sweep,
    draw_batch_offsets,
    draw_offsets,
    draw_subpixel_offsets,
    mean_absolute_change,
    shift_consistency,
)


def one_hot(*classes):
    return torch.eye(4)[list(classes)]


@pytest.mark.parametrize(
    ('classes', 'label', 'expected'),
    [
        ((1, 1), 1, (True, True, True)),
        ((1, 1), 2, (True, False, False)),
        ((1, 2), 2, (False, True, False)),
        ((1, 2), 3, (False, False, False)),
        ((0, 0, 0), 0, (True, True, True)),
        ((0, 0, 3), 0, (False, True, False)),
        ((1, 2), None, (False, None, None)),
    ],
    ids=['right', 'wrong', 'half-right', 'both-wrong', 'three-right', 'two-of-three', 'no-label'],
)
def test_agreement_by_hand(classes, label, expected):
    agreement = classification_agreement(one_hot(*classes), label)
    assert (agreement.agree, agreement.any_correct, agreement.all_correct) == expected


def test_probability_change_by_hand():
    # The first view's top class is 0. Its probability is e/(e + 3) in the first view and 1/(e + 3) in the second.
    expected = (exp(1) - 1) / (exp(1) + 3)
    assert classification_agreement(one_hot(0, 2)).probability_change == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize('label', [None, 2], ids=['top', 'true'])
@pytest.mark.parametrize('views', [2, 3, 6])
def test_mean_absolute_change_matches_a_loop(views, label):
    probabilities = torch.randn(views, 5, dtype=torch.float64).softmax(1)
    watched = int(probabilities[0].argmax()) if label is None else label
    values = [row[watched].item() for row in probabilities]
    changes = [abs(a - b) for a, b in combinations(values, 2)]
    assert mean_absolute_change(probabilities, label).item() == pytest.approx(sum(changes) / len(changes), abs=1e-15)


def test_identical_views():
    assert classification_agreement(torch.randn(1, 7).expand(4, 7)) == ViewAgreement(True, None, None, 0.0)


@pytest.mark.parametrize(
    ('logits', 'label', 'message'),
    [
        (torch.zeros(1, 4), None, r'logits must have shape \(V, N\) with at least two views, got \(1, 4\)'),
        (torch.zeros(2), None, r'logits must have shape .* got \(2,\)'),
        (torch.tensor([[0.0, torch.nan], [0.0, 1.0]]), None, 'logits must be finite, got 1 that are not'),
        (torch.zeros(2, 4), 4, 'label must be one of 4 classes, got 4'),
        (torch.zeros(2, 4), -1, 'label must be one of 4 classes, got -1'),
    ],
    ids=['one-view', 'vector', 'nan', 'large-label', 'negative-label'],
)
def test_bad_logits(logits, label, message):
    with pytest.raises(ValueError, match=message):
        classification_agreement(logits, label)


@pytest.mark.parametrize('label', [torch.tensor(1), torch.tensor([1]), np.int64(1), np.uint8(1)], ids=str)
def test_label_of_any_integer_type(label):
    logits = torch.eye(3)[[1, 1]]
    assert classification_agreement(logits, label) == classification_agreement(logits, 1)
    assert mean_absolute_change(logits, label) == mean_absolute_change(logits, 1)


@pytest.mark.parametrize('label', [-1, 3, 1.0, '1', True, torch.tensor(1.0), torch.tensor([1, 1])], ids=str)
def test_bad_label(label):
    for function in (classification_agreement, mean_absolute_change):
        with pytest.raises(ValueError, match=r'label must be (one of 3 classes|an integer), got'):
            function(torch.eye(3)[:2], label)


SMALL = dict(max_shift=4, crop_size=8)

MODES = pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])


def noise(count, size=(12, 12), channels=1):
    return torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(1))


def same_class(views):
    return torch.eye(5)[[2] * len(views)]


def brightest_corner(views):
    """The logits are the four corners of a view: what it says depends on the shift."""
    return views[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].double()


def classes_of(image, offsets, size, circular):
    """Top class of `brightest_corner` at each offset from the image's central frame, pixel by pixel."""
    _, height, width = image.shape
    frame = 8 if circular else 12
    top, left = (height - frame) // 2, (width - frame) // 2
    seen = []
    for y, x in offsets:
        corners = [(y, x), (y, x + size - 1), (y + size - 1, x), (y + size - 1, x + size - 1)]
        if circular:
            corners = [(row % size, column % size) for row, column in corners]
        values = [image[0, top + row, left + column].item() for row, column in corners]
        seen.append(values.index(max(values)))
    return seen


def shares(seen, labels):
    """Consistency and correct-consistency of the classes that were seen, as lists over images."""
    agree = [len(set(classes)) == 1 for classes in seen]
    hits = [[a == label for a in classes] for classes, label in zip(seen, labels, strict=True)]
    some = [(a, any(hit)) for a, hit in zip(agree, hits, strict=True)]
    return sum(agree) / len(agree), sum(a and hit for a, hit in some) / sum(hit for _, hit in some)


@MODES
@pytest.mark.parametrize('views', [2, 3])
def test_matches_brute_force(views, circular):
    images = [*noise(12), *noise(12, (13, 17)), *noise(6, (20, 12))]
    labels = [index % 4 for index in range(30)]
    result = shift_consistency(brightest_corner, images, labels, views=views, circular=circular, seed=3, **SMALL)
    offsets = [draw_offsets(3, index, 4, views) for index in range(30)]
    seen = [classes_of(image, drawn, 8, circular) for image, drawn in zip(images, offsets, strict=True)]
    mean, correct = shares(seen, labels)
    assert 0 < mean < 1
    assert (result.mean, result.correct_mean) == (pytest.approx(mean, abs=1e-12), pytest.approx(correct, abs=1e-12))


@MODES
def test_legacy_matches_a_plain_script_of_the_published_evaluation(circular):
    images, labels, batch_size = noise(23), [index % 4 for index in range(23)], 5
    scores, correct_scores = [], []
    for repeat in range(5):
        seen = []
        for batch, start in enumerate(range(0, 23, batch_size)):
            offsets = draw_batch_offsets(6, repeat, batch, 4)
            seen += [classes_of(image, offsets, 8, circular) for image in images[start : start + batch_size]]
        score, correct = shares(seen, labels)
        scores.append(score)
        correct_scores.append(correct)
    options = dict(seed=6, circular=circular, protocol='legacy', batch_size=batch_size, **SMALL)
    result = shift_consistency(brightest_corner, images, labels, **options)
    assert result.mean == pytest.approx(sum(scores) / 5, abs=1e-12)
    assert result.correct_mean == pytest.approx(sum(correct_scores) / 5, abs=1e-12)
    assert (result.interval, result.correct_interval, result.images) == (None, None, 23)


@MODES
def test_constant_classifier_is_perfectly_consistent(circular):
    result = shift_consistency(same_class, noise(4), circular=circular, **SMALL)
    low, high = 0.025 ** (1 / 4), 1 - 0.025 ** (1 / 4)  # by hand: all of four, and none
    note = 'all predictions are of one class, 2'
    intervals = pytest.approx((low, 1)), pytest.approx((0, high))
    assert result == ClassificationConsistency(1.0, intervals[0], 4, 0.0, intervals[1], note=note)


def test_consistently_wrong_images_do_not_count_as_correct():
    result = shift_consistency(same_class, noise(4), [2, 0, 0, 2], **SMALL)
    assert (result.mean, result.correct_mean) == (1.0, 1.0)
    assert result.correct_interval == pytest.approx((0.025**0.5, 1))
    assert shift_consistency(same_class, noise(4), [0] * 4, **SMALL).correct_mean is None


def test_opposite_predictions_are_never_consistent():
    result = shift_consistency(lambda views: torch.eye(len(views)), noise(4), [0, 1, 0, 1], **SMALL)
    assert (result.mean, result.correct_mean) == (0.0, 0.0)


@pytest.mark.parametrize(('classes', 'views'), [(10, 2), (2, 4)])
def test_random_predictions_agree_by_chance(classes, views):
    count, chance = 1500, classes ** (1 - views)
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(1, 1, 1, 1).expand(count, 1, 12, 12)
    result = shift_consistency(lambda x: torch.rand(len(x), classes, generator=generator), images, views=views, **SMALL)
    deviation = (chance * (1 - chance) / count) ** 0.5
    assert result.mean == pytest.approx(chance, abs=4 * deviation)
    low, high = result.interval
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


@pytest.mark.parametrize('stride', [1, 2])
def test_circular_shifts_need_circular_padding_and_no_subsampling(stride):
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride, padding=1, padding_mode='circular'),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 50, bias=False),
    ).double()
    result = shift_consistency(network, noise(60).double(), circular=True, **SMALL)
    assert (result.mean == 1.0) == (stride == 1)


@pytest.mark.parametrize(('stride', 'perfect'), [(1, True), (2, False)])
def test_fractional_shifts(stride, perfect):
    """Brightness is all that a linear network keeps; of every other pixel it keeps the frequencies that alias too."""

    def predict(views):
        brightness = views[:, :, ::stride, ::stride].mean((1, 2, 3))
        return torch.stack([brightness, torch.full_like(brightness, 0.5)], 1)

    result = shift_consistency(predict, noise(60).double(), circular=True, subpixel=4, views=3, **SMALL)
    assert (result.mean == 1.0) == perfect
    assert (result.probability_change < 1e-12) == perfect


def test_fractional_views_of_a_wave():
    columns = torch.arange(8, dtype=torch.float64)
    image, seen = torch.cos(2 * torch.pi * columns / 8).expand(1, 8, 8), []
    shift_consistency(lambda x: seen.append(x) or same_class(x), [image] * 9, circular=True, subpixel=8, **SMALL)
    for index, views in enumerate(seen):
        for view, (_, right) in zip(views, draw_subpixel_offsets(0, index, 4, subpixel=8), strict=True):
            expected = torch.cos(2 * torch.pi * (columns + right) / 8).expand(1, 8, 8)
            torch.testing.assert_close(view, expected, atol=1e-12, rtol=0)


def test_seed_changes_the_crops():
    results = {shift_consistency(brightest_corner, noise(9), seed=seed, **SMALL).mean for seed in range(8)}
    assert len(results) > 1


def test_views_are_predicted_together_without_gradient():
    shapes = []

    def predict(views):
        shapes.append(tuple(views.shape))
        assert not torch.is_grad_enabled()
        return same_class(views)

    shift_consistency(predict, iter(noise(2)), views=3, **SMALL)
    assert shapes == [(3, 1, 8, 8)] * 2


def test_single_image_has_no_interval():
    result = shift_consistency(brightest_corner, noise(1), **SMALL)
    assert (result.interval, result.probability_change_interval) == (None, None)


@pytest.mark.parametrize(
    ('result', 'text'),
    [
        (ClassificationConsistency(0.5, None, 1, 0.1, None), 'consistency 50.00 % (n = 1)'),
        (
            ClassificationConsistency(0.5, (0.375, 0.625), 9, 0.1, (0.05, 0.2), 0.75, (0.625, 0.8), note='so'),
            'consistency 50.00 [37.50, 62.50] % (n = 9), correct-consistency 75.00 [62.50, 80.00] %; note: so',
        ),
    ],
    ids=['one-image', 'labelled'],
)
def test_str(result, text):
    assert str(result) == text


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(images=[]), 'images must hold at least one image, got none'),
        (dict(images=noise(1, (11, 30))), 'image must be at least 12x12, got 11x30'),
        (dict(labels=[0]), 'labels must hold one per image, got too few'),
        (dict(labels=[0, 1, 2]), 'labels must hold one per image, got too many'),
        (dict(labels=[0, 5]), 'label must be one of 5 classes, got 5'),
        (dict(predict=lambda views: views), r'logits of predict must have shape \(2, N\), got \(2, 1, 8, 8\)'),
        (
            dict(predict=lambda views: same_class(views[:1])),
            r'logits of predict must have shape \(2, N\), got \(1, 5\)',
        ),
    ],
    ids=['no-images', 'small-image', 'few', 'many', 'label', 'maps', 'one-row'],
)
def test_bad_argument(changes, message):
    arguments = dict(predict=same_class, images=noise(2), **SMALL) | changes
    with pytest.raises(ValueError, match=message):
        shift_consistency(**arguments)


def top_left(views):
    """Logits that only the first two pixels of a view decide."""
    return torch.stack([views[:, 0, 0, 0], views[:, 0, 0, 1], torch.full((len(views),), -9.0)], 1)


@pytest.mark.parametrize('label', [None, 1], ids=['top', 'true'])
@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_sweep_matches_a_loop(circular, label):
    image = torch.randn(1, 12, 15, dtype=torch.float64)
    sweep = diagonal_sweep(top_left, image, label, max_shift=5, crop_size=(6, 7), circular=circular)
    # The central 11x12 begins at (0, 1), the central 6x7 at (3, 4).
    top, left = (3, 4) if circular else (0, 1)
    for step in range(6):
        columns = [(step + 1) % 7, step % 7] if circular else [step + 1, step]
        row = step % 6 if circular else step
        second, first = (image[0, top + row, left + column].exp().item() for column in columns)
        total = first + second + torch.tensor(-9.0, dtype=torch.float64).exp().item()
        if step == 0 and label is None:
            label = 0 if first > second else 1
        watched, other = (first, second) if label == 0 else (second, first)
        assert sweep.probability[step].item() == pytest.approx(watched / total, abs=1e-12)
        assert sweep.best_other[step].item() == pytest.approx(other / total, abs=1e-12)
        assert sweep.prediction[step] == (0 if first > second else 1)


def test_published_number_of_crops():
    shapes = []
    diagonal_sweep(lambda x: shapes.append(tuple(x.shape)) or torch.zeros(len(x), 2), torch.zeros(3, 256, 256))
    assert shapes == [(33, 3, 224, 224)]


@pytest.mark.parametrize(('stride', 'flat'), [(1, True), (2, False)])
def test_circular_sweep_is_flat_without_subsampling(stride, flat):
    torch.manual_seed(0)
    convolution = nn.Conv2d(1, 8, 3, stride, padding=1, padding_mode='circular')
    network = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    sweep = diagonal_sweep(network, torch.randn(1, 8, 8, dtype=torch.float64), max_shift=8, crop_size=8, circular=True)
    assert (float(sweep.probability.max() - sweep.probability.min()) < 1e-12) == flat


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(image=torch.zeros(1, 9, 20)), 'image must be at least 10x10, got 9x20'),
        (dict(max_shift=0), r'max_shift must be at least 1, got 0'),
        (dict(max_shift=9), r'max_shift must be between 1 and .* \(8, 8\), got 9'),
        (dict(label=-1), 'label must be one of 3 classes, got -1'),
        (dict(predict=lambda x: x), r'logits of predict must have shape \(3, N\), got \(3, 1, 8, 8\)'),
        (
            dict(predict=lambda x: torch.full((len(x), 2), torch.nan)),
            'logits of predict must be finite, got 6 that are not',
        ),
    ],
    ids=['small-image', 'no-shift', 'shift', 'label', 'maps', 'nan'],
)
def test_bad_sweep(changes, message):
    arguments = dict(predict=top_left, image=torch.zeros(1, 20, 20), max_shift=2, crop_size=8) | changes
    with pytest.raises(ValueError, match=message):
        diagonal_sweep(**arguments)
