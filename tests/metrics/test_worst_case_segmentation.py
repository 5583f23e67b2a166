import math

import pytest
import torch
from torch import nn

from antialias_plugins.metrics import (
    ShiftGrid,
    WorstCaseSegmentation,
    WorstCaseSegmentationConsistency,
    WorstShift,
    worst_case_segmentation_consistency,
)

MODES = pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])


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
@pytest.mark.parametrize(('max_shift', 'stride'), [(2, 1), (5, 2), (4, 1)])
@pytest.mark.parametrize('batch_size', [1, 3, 64])
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
    assert result == WorstCaseSegmentation(1.0, 0.0, 3)


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


@pytest.mark.parametrize('batch_size', [1, 3, 64])
def test_views_are_predicted_in_bounded_batches_without_gradient(batch_size):
    sizes = []

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
        (WorstCaseSegmentation(0.5, None, 1), 'worst-case mASSC 50.00 % (n = 1)'),
        (
            WorstCaseSegmentation(0.5, 0.125, 9, 0.75, 0.0625, 8),
            'worst-case mASSC 50.00 ± 12.50 % (n = 9), labelled pixels 75.00 ± 6.25 % (n = 8)',
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
