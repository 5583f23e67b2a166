"""Worst case over a grid, against brute force and chance."""

import math

import pytest
import torch
from torch import nn

from antialias_plugins.metrics import (
    GridAgreement,
    ShiftGrid,
    WorstCaseClassification,
    WorstCaseSegmentation,
    WorstCaseSegmentationConsistency,
    WorstCaseShiftConsistency,
    WorstShift,
    shift_consistency,
    worst_case_segmentation_consistency,
    worst_case_shift_consistency,
)

MODES = pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])


def small_noise(count, size=(9, 9)):
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
@pytest.mark.parametrize(('max_shift', 'stride', 'crop_size'), [(2, 1, None), (3, 2, 4), (3, 1, 4), (3, 1, None)])
def test_classes_match_brute_force(circular, max_shift, stride, crop_size):
    images, labels = [*small_noise(30), *small_noise(20, (8, 11))], [index % 2 for index in range(50)]
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
    drawn = shift_consistency(first_pixel, small_noise(30), views=9, **options)
    result = worst_case_shift_consistency(first_pixel, small_noise(30), **options)
    assert 0 < result.mean < 1
    assert (result.mean, result.interval) == (drawn.mean, drawn.interval)


@pytest.mark.parametrize('batch_size', [3, 64])
def test_batches_of_views_are_bounded(batch_size):
    sizes = []

    def predict(views):
        sizes.append(len(views))
        assert not torch.is_grad_enabled()
        return first_pixel(views)

    result = worst_case_shift_consistency(predict, small_noise(10), [1] * 10, max_shift=2, batch_size=batch_size)
    assert max(sizes) == min(batch_size, 4)
    assert sum(sizes) == 40
    assert result == worst_case_shift_consistency(first_pixel, small_noise(10), [1] * 10, max_shift=2)


@MODES
def test_constant_classifier(circular):
    result = worst_case_shift_consistency(same_class, small_noise(4), [2, 0, 2, 2], max_shift=3, circular=circular)
    assert (result.mean, result.interval, result.images, result.accuracy) == (
        1.0,
        pytest.approx((0.025 ** (1 / 4), 1)),
        4,
        0.75,
    )


def test_one_view_that_differs_is_enough():
    def predict(views):
        return torch.eye(2)[[0] * (len(views) - 1) + [1]]

    assert worst_case_shift_consistency(predict, small_noise(4), [0, 0, 1, 1], max_shift=3).mean == 0.0


@pytest.mark.parametrize('classes', [2, 3])
def test_random_classes_agree_by_chance(classes):
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
    result = worst_case_shift_consistency(network, small_noise(40, (8, 8)), max_shift=8, circular=True)
    assert (result.mean == 1.0) == perfect


@pytest.mark.parametrize(('activation', 'perfect'), [(lambda x: x, True), (torch.relu, False)], ids=['linear', 'relu'])
def test_fractional_shifts_need_no_new_frequencies_either(activation, perfect):
    def predict(views):
        brightness = activation(views - 0.5).mean((1, 2, 3))
        return torch.stack([brightness, torch.full_like(brightness, 1 / 8)], 1)

    # ReLU makes frequencies above Nyquist, which fold back onto the mean.
    result = worst_case_shift_consistency(predict, small_noise(40, (7, 7)), max_shift=1, circular=True, subpixel=3)
    assert (result.mean == 1.0) == perfect


def test_label_for_some_images_only():
    consistency = WorstCaseShiftConsistency(ShiftGrid(max_shift=2))
    assert consistency.update(0, small_noise(1)[0], same_class, 2) == GridAgreement(agree=True, correct=True)
    assert consistency.update(1, small_noise(1)[0], same_class) == GridAgreement(agree=True)
    with pytest.raises(ValueError, match='label must be given for all images or for none, got 1 without'):
        consistency.compute()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(images=[]), 'images must hold at least one image, got none'),
        (dict(batch_size=0), 'batch_size must be at least 1, got 0'),
        (dict(crop_size=8), 'image must be at least 10x10, got 9x9'),
        (dict(labels=[0]), 'labels must hold one per image, got too few'),
        (dict(labels=[0, 5]), 'label must be one of 5 classes, got 5'),
        (dict(predict=lambda views: views), r'logits of predict must have shape \(4, N\), got \(4, 1, 7, 7\)'),
        (
            dict(predict=lambda views: torch.full((len(views), 2), torch.nan)),
            'logits of predict must be finite, got 8 that are not',
        ),
    ],
    ids=['no-images', 'batch_size', 'small-image', 'few', 'label', 'maps', 'nan'],
)
def test_bad_classification(changes, message):
    arguments = dict(predict=same_class, images=small_noise(2), max_shift=2) | changes
    with pytest.raises(ValueError, match=message):
        worst_case_shift_consistency(**arguments)


def noise(count, size=(12, 13), channels=1):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, *size, generator=generator, dtype=torch.float64)


def one_pixel(views):
    """A 1x1 network: it sees one pixel at a time, so no shift can change what it says."""
    return (views[:, 0] * 4).long()


def position_dependent(views):
    """Classes that depend on content and, like aliasing, on where in the view a pixel lies."""
    rows, columns = torch.arange(views.shape[-2])[:, None], torch.arange(views.shape[-1])
    return ((views[:, 0] * 10).long() + rows % 3 * (columns % 2)) % 4


def brute_force(image, label, max_shift, stride, circular, ignore_index):
    """The least share, where, and the least labelled share, by loops over shifts and pixels."""
    _, height, width = image.shape
    h, w = (height, width) if circular else (height - max_shift, width - max_shift)
    seen = {}
    for y in range(0, max_shift, stride):
        for x in range(0, max_shift, stride):
            rows, columns = [(y + i) % height for i in range(h)], [(x + j) % width for j in range(w)]
            classes = position_dependent(image[None][:, :, rows][:, :, :, columns])[0]
            seen[y, x] = {(r, c): classes[i, j].item() for i, r in enumerate(rows) for j, c in enumerate(columns)}
    first, shares, labelled_shares = seen.pop((0, 0)), {}, []
    for offset, classes in seen.items():
        same = {place: first[place] == classes[place] for place in first.keys() & classes.keys()}
        labelled = [agrees for place, agrees in same.items() if label[place] != ignore_index]
        shares[offset] = sum(same.values()) / len(same)
        labelled_shares.append(sum(labelled) / len(labelled))
    worst = min(shares, key=shares.get)
    return WorstShift(pytest.approx(shares[worst], abs=1e-12), worst, pytest.approx(min(labelled_shares), abs=1e-12))


@MODES
@pytest.mark.parametrize(('max_shift', 'stride', 'batch_size'), [(2, 1, 64), (5, 2, 3), (4, 1, 1)])
def test_matches_brute_force(circular, max_shift, stride, batch_size):
    images = [*noise(2), *noise(1, (11, 17))]
    labels = [torch.randint(3, image.shape[-2:], generator=torch.Generator().manual_seed(2)) for image in images]
    consistency = WorstCaseSegmentationConsistency(
        ShiftGrid(max_shift, stride, circular=circular), batch_size, ignore_index=2
    )
    worst = [consistency.update(i, images[i], position_dependent, labels[i]) for i in range(3)]
    for found, image, label in zip(worst, images, labels, strict=True):
        assert found == brute_force(image, label, max_shift, stride, circular, ignore_index=2)
    assert consistency.compute().mean == pytest.approx(sum(found.share for found in worst) / 3, abs=1e-12)


@MODES
def test_pixelwise_network_is_perfectly_consistent(circular):
    result = worst_case_segmentation_consistency(one_pixel, noise(3), max_shift=4, circular=circular)
    assert result == WorstCaseSegmentation(1.0, pytest.approx((0.025 ** (1 / 3), 1)), 3)


def test_first_of_several_worst_shifts_is_kept():
    consistency = WorstCaseSegmentationConsistency(ShiftGrid(max_shift=3))
    assert consistency.update(0, noise(1)[0], one_pixel) == WorstShift(1.0, (0, 1))


@MODES
def test_one_bad_shift_decides(circular):
    def predict(views):
        maps = torch.zeros(views.shape[0], *views.shape[-2:], dtype=torch.long)
        maps[2] = 1  # at (1, 0)
        return maps

    consistency = WorstCaseSegmentationConsistency(ShiftGrid(max_shift=2, circular=circular))
    assert consistency.update(0, noise(1)[0], predict) == WorstShift(0.0, (1, 0))


@pytest.mark.parametrize(
    ('circular', 'share'),
    # A map that begins 2 pixels later has its 0s in columns 2 to 4. They are compared on columns 2 to 8, or on all.
    [(False, 5 / 7), (True, 8 / 12)],
    ids=['crops', 'circular'],
)
def test_known_overlap(circular, share):
    def three_columns(views):
        return (torch.arange(views.shape[-1]) >= 3).expand(len(views), *views.shape[-2:])

    grid = ShiftGrid(max_shift=3, stride=2, circular=circular)
    assert WorstCaseSegmentationConsistency(grid).update(0, torch.zeros(1, 12, 12), three_columns) == WorstShift(
        share, (0, 2)
    )


def test_views_are_predicted_in_bounded_batches_without_gradient():
    sizes, batch_size = [], 3

    def predict(views):
        sizes.append(len(views))
        assert not torch.is_grad_enabled()
        return one_pixel(views)

    worst_case_segmentation_consistency(predict, iter(noise(2)), max_shift=3, batch_size=batch_size)
    assert max(sizes) <= batch_size
    assert sum(sizes) == 18


def test_random_predictions_agree_by_chance():
    """Three comparisons with the first view: the mean of the least of three binomial numbers, by its distribution."""
    side, chance, count = 6, 1 / 3, 300
    pixels, tail, expected, square = side**2, 1.0, 0.0, 0.0
    for agreeing in range(1, pixels + 1):
        tail -= math.comb(pixels, agreeing - 1) * chance ** (agreeing - 1) * (1 - chance) ** (pixels - agreeing + 1)
        expected += max(tail, 0) ** 3 / pixels
        square += (2 * agreeing - 1) * max(tail, 0) ** 3 / pixels**2
    generator = torch.Generator().manual_seed(0)
    result = worst_case_segmentation_consistency(
        lambda x: torch.randint(3, (len(x), *x.shape[-2:]), generator=generator),
        torch.zeros(count, 1, side, side),
        max_shift=2,
        circular=True,
    )
    assert result.mean == pytest.approx(expected, abs=4 * math.sqrt((square - expected**2) / count))


@pytest.mark.parametrize('padding_mode', ['circular', 'zeros'])
def test_circular_shifts_need_circular_padding(padding_mode):
    torch.manual_seed(0)
    network = nn.Conv2d(3, 5, 3, padding=1, padding_mode=padding_mode).double()
    result = worst_case_segmentation_consistency(
        lambda x: network(x).argmax(1), noise(3, channels=3), max_shift=12, stride=3, circular=True
    )
    assert (result.mean == 1.0) == (padding_mode == 'circular')


def test_fraction_is_compared_at_the_nearest_pixel():
    """A wave of 24 pixels whose classes are its signs, and which the network therefore knows between pixels too."""
    wave = torch.sin(2 * torch.pi * (torch.arange(24.0, dtype=torch.float64) + 0.6) / 24).expand(1, 5, 24)
    consistency = WorstCaseSegmentationConsistency(ShiftGrid(max_shift=1, circular=True, subpixel=4))
    worst = consistency.update(0, wave, lambda x: x[:, 0] > 0)
    # Zeros at -0.6 and 11.4: begun half a pixel later, rolled back by none, columns 11 and 23 turn over, the latter
    # from 23.1 to 23.6, past the zero at 23.4, the former from 11 to 11.5. A quarter turns neither.
    assert worst == WorstShift(pytest.approx(22 / 24), (0, 0.5))


def test_ignored_image_leaves_the_labelled_mean_only():
    labels = torch.zeros(3, 12, 13, dtype=torch.long)
    labels[1] = 255
    result = worst_case_segmentation_consistency(one_pixel, noise(3), labels, max_shift=2)
    assert (result.images, result.labelled_images, result.labelled_mean) == (3, 2, 1.0)


@pytest.mark.parametrize(
    ('result', 'text'),
    [
        (WorstCaseClassification(0.5, None, 1), 'worst-case consistency 50.00 % (n = 1)'),
        (
            WorstCaseClassification(0.5, (0.375, 0.625), 9, 0.25, (0.2, 0.3125)),
            'worst-case consistency 50.00 [37.50, 62.50] % (n = 9), worst-case accuracy 25.00 [20.00, 31.25] %',
        ),
        (WorstCaseSegmentation(0.5, None, 1), 'worst-case mASSC 50.00 % (n = 1)'),
        (
            WorstCaseSegmentation(0.5, (0.375, 0.625), 9, 0.75, (0.625, 0.8), 8),
            'worst-case mASSC 50.00 [37.50, 62.50] % (n = 9), labelled pixels 75.00 [62.50, 80.00] % (n = 8)',
        ),
    ],
    ids=['classification', 'with-labels', 'segmentation', 'labelled-pixels'],
)
def test_str(result, text):
    assert str(result) == text


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(images=[]), 'images must hold at least one image, got none'),
        (dict(batch_size=0), 'batch_size must be at least 1, got 0'),
        (dict(max_shift=7), 'max_shift must not exceed half .* got 7 for an image of 12x13'),
        (dict(labels=torch.full((2, 12, 13), 255)), 'labels must have a pixel other than ignore_index 255 .* got none'),
        (dict(labels=torch.zeros(2, 12, 12)), r"label must have the image's size \(12, 13\), got shape \(12, 12\)"),
        (dict(predict=lambda views: views), r'predict must return class maps of shape \(4, 10, 11\), got \(4, 1, 10'),
    ],
    ids=['no-images', 'batch_size', 'small-image', 'all-ignored', 'label-size', 'logits'],
)
def test_bad_argument(changes, message):
    arguments = dict(predict=one_pixel, images=noise(2), max_shift=2) | changes
    with pytest.raises(ValueError, match=message):
        worst_case_segmentation_consistency(**arguments)


def test_crop_size_is_refused():
    with pytest.raises(ValueError, match=r'grid must not have a crop_size, .* got \(9, 9\)'):
        WorstCaseSegmentationConsistency(ShiftGrid(crop_size=9))
