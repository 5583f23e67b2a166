import math

import pytest
import torch
from torch import nn

from antialias_plugins.metrics import (
    GridAgreement,
    ShiftGrid,
    WorstCaseClassification,
    WorstCaseShiftConsistency,
    shift_consistency,
    worst_case_shift_consistency,
)

MODES = pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])


def noise(count, size=(9, 9)):
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def same_class(views):
    return torch.eye(5)[[2] * len(views)]


def first_pixel(views):
    """Class 1, unless the first pixel of a view is among the brightest."""
    first = views[:, 0, 0, 0]
    return torch.stack([first, torch.full_like(first, 0.85)], 1)


def classes_of(image, max_shift, stride, top=0, left=0):
    """Classes of `first_pixel` at every shift of a view that begins at ``(top, left)``, pixel by pixel."""
    steps = range(0, max_shift, stride)
    return {0 if image[0, top + y, left + x].item() > 0.85 else 1 for y in steps for x in steps}


@MODES
@pytest.mark.parametrize(('max_shift', 'stride'), [(2, 1), (3, 2), (3, 1)])
@pytest.mark.parametrize('crop_size', [None, 4])
def test_matches_brute_force(circular, max_shift, stride, crop_size):
    images, labels = [*noise(30), *noise(20, (8, 11))], [index % 2 for index in range(50)]
    options = dict(max_shift=max_shift, stride=stride)
    result = worst_case_shift_consistency(
        first_pixel, images, labels, **options, crop_size=crop_size, circular=circular
    )
    margin = 0 if circular else max_shift
    corners = [[(s - crop_size - margin) // 2 if crop_size else 0 for s in image.shape[1:]] for image in images]
    seen = [
        classes_of(image, **options, top=top, left=left) for image, (top, left) in zip(images, corners, strict=True)
    ]
    agree = [len(classes) == 1 for classes in seen]
    correct = [classes == {label} for classes, label in zip(seen, labels, strict=True)]
    assert 0 < sum(correct) < sum(agree) < 50
    assert result.mean == pytest.approx(sum(agree) / 50, abs=1e-12)
    assert result.accuracy == pytest.approx(sum(correct) / 50, abs=1e-12)


@MODES
def test_all_offsets_drawn_at_random_are_the_grid(circular):
    options = dict(max_shift=3, crop_size=6, circular=circular)
    drawn = shift_consistency(first_pixel, noise(30), views=9, **options)
    result = worst_case_shift_consistency(first_pixel, noise(30), **options)
    assert 0 < result.mean < 1
    assert (result.mean, result.interval) == (drawn.mean, drawn.interval)


@pytest.mark.parametrize('batch_size', [1, 3, 4, 64])
def test_batch_size_does_not_matter(batch_size):
    sizes = []

    def predict(views):
        sizes.append(len(views))
        assert not torch.is_grad_enabled()
        return first_pixel(views)

    result = worst_case_shift_consistency(predict, noise(10), [1] * 10, max_shift=2, batch_size=batch_size)
    assert max(sizes) == min(batch_size, 4)
    assert sum(sizes) == 40
    assert result == worst_case_shift_consistency(first_pixel, noise(10), [1] * 10, max_shift=2)


@MODES
def test_constant_classifier(circular):
    result = worst_case_shift_consistency(same_class, noise(4), [2, 0, 2, 2], max_shift=3, circular=circular)
    assert (result.mean, result.interval, result.images, result.accuracy) == (1.0, 0.0, 4, 0.75)


def test_one_view_that_differs_is_enough():
    def predict(views):
        return torch.eye(2)[[0] * (len(views) - 1) + [1]]

    assert worst_case_shift_consistency(predict, noise(4), [0, 0, 1, 1], max_shift=3).mean == 0.0


@pytest.mark.parametrize('classes', [2, 3])
def test_random_predictions_agree_by_chance(classes):
    count, chance = 2000, classes**-3  # all four views
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.zeros(1, 1, 1, 1).expand(count, 1, 4, 4), [0] * count
    result = worst_case_shift_consistency(
        lambda x: torch.rand(len(x), classes, generator=generator), images, labels, max_shift=2, circular=True
    )
    assert result.mean == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / count))
    chance /= classes
    assert result.accuracy == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / count))


@pytest.mark.parametrize(('stride', 'perfect'), [(1, True), (2, False)])
def test_whole_circular_shifts_need_no_subsampling(stride, perfect):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride, padding=1, padding_mode='circular'),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 50, bias=False),
    ).double()
    result = worst_case_shift_consistency(network, noise(40, (8, 8)), max_shift=8, circular=True)
    assert (result.mean == 1.0) == perfect


@pytest.mark.parametrize(('activation', 'perfect'), [(lambda x: x, True), (torch.relu, False)], ids=['linear', 'relu'])
def test_fractional_shifts_need_no_new_frequencies_either(activation, perfect):
    def predict(views):
        brightness = activation(views - 0.5).mean((1, 2, 3))
        return torch.stack([brightness, torch.full_like(brightness, 1 / 8)], 1)

    # ReLU makes frequencies above Nyquist, which fold back onto the mean.
    result = worst_case_shift_consistency(predict, noise(40, (7, 7)), max_shift=1, circular=True, subpixel=3)
    assert (result.mean == 1.0) == perfect


def test_label_for_some_images_only():
    consistency = WorstCaseShiftConsistency(ShiftGrid(max_shift=2))
    assert consistency.update(0, noise(1)[0], same_class, 2) == GridAgreement(agree=True, correct=True)
    assert consistency.update(1, noise(1)[0], same_class) == GridAgreement(agree=True)
    with pytest.raises(ValueError, match='label must be given for all images or for none, got 1 without'):
        consistency.compute()


@pytest.mark.parametrize(
    ('result', 'text'),
    [
        (WorstCaseClassification(0.5, None, 1), 'worst-case consistency 50.00 % (n = 1)'),
        (
            WorstCaseClassification(0.5, 0.125, 9, 0.25, 0.0625),
            'worst-case consistency 50.00 ± 12.50 % (n = 9), worst-case accuracy 25.00 ± 6.25 %',
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
        (dict(batch_size=0), 'batch_size must be at least 1, got 0'),
        (dict(crop_size=8), 'image must be at least 10x10, got 9x9'),
        (dict(labels=[0]), 'labels must hold one per image, got too few'),
        (dict(labels=[0, 5]), 'label must be one of 5 classes, got 5'),
        (dict(predict=lambda views: views), r'predict must return logits of shape \(4, N\), got \(4, 1, 7, 7\)'),
        (dict(predict=lambda views: torch.full((len(views), 2), torch.nan)), 'predict must return finite logits'),
    ],
    ids=['no-images', 'batch_size', 'small-image', 'few', 'label', 'maps', 'nan'],
)
def test_bad_argument(changes, message):
    arguments = dict(predict=same_class, images=noise(2), max_shift=2) | changes
    with pytest.raises(ValueError, match=message):
        worst_case_shift_consistency(**arguments)
