import pickle

import pytest
import torch
from torch import nn

from antialias_plugins.metrics import (
    MeanSegmentationConsistency,
    SegmentationConsistency,
    draw_offsets,
    mean_segmentation_consistency,
)


def brightest_channel(views):
    """A 1x1 network: it sees one pixel at a time, so no shift can change what it says."""
    return views.argmax(1)


def random_classes(classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda views: torch.randint(classes, (2, *views.shape[-2:]), generator=generator)


def disagreeing(views):
    return torch.stack([torch.zeros(views.shape[-2:]), torch.ones(views.shape[-2:])])


def noise(count, size=(24, 32), channels=3):
    return torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_pixelwise_network_is_perfectly_consistent(circular):
    result = mean_segmentation_consistency(brightest_channel, noise(4), max_shift=8, circular=circular)
    assert result == SegmentationConsistency(mean=1.0, interval=0.0, images=4)


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_opposite_predictions_are_never_consistent(circular):
    result = mean_segmentation_consistency(disagreeing, noise(4), max_shift=8, circular=circular)
    assert (result.mean, result.interval) == (0.0, 0.0)


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
@pytest.mark.parametrize('classes', [2, 5, 19])
def test_random_predictions_agree_by_chance(classes, circular):
    images = [torch.zeros(1, 48, 64)] * 40
    result = mean_segmentation_consistency(random_classes(classes), images, max_shift=8, circular=circular)
    deviation = (1 / classes * (1 - 1 / classes) / (40 * 32 * 48)) ** 0.5
    assert result.mean == pytest.approx(1 / classes, abs=4 * deviation)


@pytest.mark.parametrize('padding_mode', ['circular', 'zeros'])
def test_circular_shifts_need_circular_padding(padding_mode):
    torch.manual_seed(0)
    network = nn.Conv2d(3, 5, 3, padding=1, padding_mode=padding_mode).double()
    images = noise(3).double()
    result = mean_segmentation_consistency(lambda x: network(x).argmax(1), images, max_shift=24, circular=True)
    assert (result.mean == 1.0) == (padding_mode == 'circular')


def position_dependent(views):
    """Classes that depend on content and, like aliasing, on where in the view a pixel lies."""
    rows, columns = torch.arange(views.shape[-2])[:, None], torch.arange(views.shape[-1])
    return ((views[:, 0] * 10).long() + 2 * (rows % 2) + columns % 3) % 4


def brute_force(images, labels, max_shift, seed, ignore_index, circular):
    """The two means by loops over the pixels of each image, in float64."""
    shares, labelled_shares = [], []
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        _, height, width = image.shape
        h, w = (height, width) if circular else (height - max_shift, width - max_shift)
        seen = []
        for y, x in draw_offsets(seed, index, max_shift):
            rows, columns = [(y + i) % height for i in range(h)], [(x + j) % width for j in range(w)]
            classes = position_dependent(image[None][:, :, rows][:, :, :, columns])[0]
            seen.append({(r, c): classes[i, j].item() for i, r in enumerate(rows) for j, c in enumerate(columns)})
        same = {place: seen[0][place] == seen[1][place] for place in seen[0].keys() & seen[1].keys()}
        shares.append(sum(same.values()) / len(same))
        labelled = [agrees for place, agrees in same.items() if label[place] != ignore_index]
        labelled_shares.append(sum(labelled) / len(labelled))
    return sum(shares) / len(shares), sum(labelled_shares) / len(labelled_shares)


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_matches_brute_force(circular):
    generator = torch.Generator().manual_seed(2)
    images = [torch.rand(1, *size, generator=generator) for size in ((16, 16), (17, 25), (30, 18))]
    labels = [torch.randint(3, image.shape[-2:], generator=generator) for image in images]
    options = dict(max_shift=8, seed=4, circular=circular, ignore_index=2)
    result = mean_segmentation_consistency(position_dependent, images, labels, **options)
    mean, labelled_mean = brute_force(images, labels, **options)
    assert 0 < mean < 1
    assert result.mean == pytest.approx(mean, abs=1e-12)
    assert result.labelled_mean == pytest.approx(labelled_mean, abs=1e-12)


def test_ignored_image_leaves_the_labelled_mean_only():
    labels = torch.zeros(3, 24, 32, dtype=torch.long)
    labels[1] = 255
    result = mean_segmentation_consistency(brightest_channel, noise(3), labels, max_shift=8)
    assert (result.images, result.labelled_images, result.labelled_mean) == (3, 2, 1.0)


def test_no_labelled_pixel_anywhere():
    labels = torch.full((3, 24, 32), 255)
    result = mean_segmentation_consistency(brightest_channel, noise(3), labels, max_shift=8)
    assert (result.mean, result.labelled_mean, result.labelled_interval, result.labelled_images) == (1.0, None, None, 0)


def test_single_image_has_no_interval():
    assert mean_segmentation_consistency(brightest_channel, noise(1), max_shift=8).interval is None


def test_seed_changes_the_crops():
    results = {mean_segmentation_consistency(position_dependent, noise(3), max_shift=8, seed=s).mean for s in range(8)}
    assert len(results) > 1


def test_images_are_predicted_in_pairs_without_gradient():
    shapes = []

    def predict(views):
        shapes.append(tuple(views.shape))
        assert not torch.is_grad_enabled()
        return brightest_channel(views)

    mean_segmentation_consistency(predict, iter(noise(2)), max_shift=8)
    assert shapes == [(2, 3, 16, 24)] * 2


def accumulate(indices, images):
    consistency = MeanSegmentationConsistency(max_shift=8)
    for index in indices:
        consistency.update(index, images[index], position_dependent)
    return consistency


def test_merging_ranks_counts_every_image_once():
    images = noise(5)
    # What a distributed sampler gives two processes: five images, the first one repeated.
    merged = accumulate([0, 2, 4], images)
    merged.merge(pickle.loads(pickle.dumps(accumulate([1, 3, 0], images))))
    assert merged.compute() == mean_segmentation_consistency(position_dependent, images, max_shift=8)


def test_merging_other_settings():
    with pytest.raises(ValueError, match=r"other must have the same settings .*'seed': 0.* got .*'seed': 1"):
        MeanSegmentationConsistency(seed=0).merge(MeanSegmentationConsistency(seed=1))


@pytest.mark.parametrize(
    ('result', 'text'),
    [
        (SegmentationConsistency(0.5, None, 1), 'mASSC 50.00 % (n = 1)'),
        (
            SegmentationConsistency(0.5, 0.125, 9, 0.75, 0.0625, 8),
            'mASSC 50.00 ± 12.50 % (n = 9), labelled pixels 75.00 ± 6.25 % (n = 8)',
        ),
    ],
    ids=['one-image', 'labelled'],
)
def test_str(result, text):
    assert str(result) == text


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(images=[]), 'images must hold at least one image'),
        (dict(max_shift=13), 'max_shift must not exceed half .* got 13 for an image of 24x32'),
        (dict(max_shift=25, circular=True), 'max_shift must not exceed the shorter side .* got 25'),
        (dict(max_shift=1), 'max_shift must be at least 2, .* got 1'),
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(labels=torch.zeros(2, 24, 31)), r"label must have the image's size \(24, 32\), got shape \(24, 31\)"),
        (dict(labels=torch.zeros(1, 24, 32)), 'labels must hold one per image, got too few'),
        (dict(labels=torch.zeros(3, 24, 32)), 'labels must hold one per image, got too many'),
        (
            dict(predict=lambda views: views),
            r'predict must return .* shape \(2, 16, 24\), got \(2, 3, 16, 24\)',
        ),
    ],
    ids=['no-images', 'small-image', 'small-circular', 'max_shift', 'seed', 'label-size', 'few', 'many', 'logits'],
)
def test_bad_argument(changes, message):
    arguments = dict(predict=brightest_channel, images=noise(2), max_shift=8) | changes
    with pytest.raises(ValueError, match=message):
        mean_segmentation_consistency(**arguments)
