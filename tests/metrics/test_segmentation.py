"""mASSC, against loops over pixels, chance and networks that must agree."""

import pickle

import pytest
import torch
from torch import nn

from antialias_plugins.metrics import (
    MeanSegmentationConsistency,
    MeanShare,
    SegmentationConsistency,
    draw_offsets,
    draw_subpixel_offsets,
    mean_segmentation_consistency,
)
from antialias_plugins.metrics.segmentation import place_class_maps


def test_crops_stay():
    maps = torch.arange(24).view(2, 3, 4)
    placed, corners = place_class_maps(lambda _: maps, maps[:, None], [(0, 1), (2, 0)], circular=False)
    assert torch.equal(placed, maps)
    assert corners == [(0, 1), (2, 0)]


@pytest.mark.parametrize(
    ('offset', 'rolled'),
    [((0, 1), 1), ((0, 0.75), 1), ((0, 1.25), 1), ((0, 0.25), 0), ((0, 3.75), 4), ((3, 2), 2)],
    ids=str,
)
def test_circular_maps_are_rolled_back_to_the_nearest_pixel(offset, rolled):
    begun_later = torch.arange(4).roll(-rolled).expand(3, 4)
    placed, corners = place_class_maps(lambda views: views[:, 0], begun_later[None, None], [offset], circular=True)
    assert placed[0].tolist() == [[0, 1, 2, 3]] * 3
    assert corners == [(0, 0)]


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
    assert result == SegmentationConsistency(1.0, pytest.approx((0.025 ** (1 / 4), 1)), 4)


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_pixelwise_network_is_perfectly_consistent_everywhere(circular):
    images = noise(4)
    labels = brightest_channel(images.roll(1, 3))
    labels[0, :, 0] = 255
    options = dict(max_shift=8, circular=circular, num_classes=4, boundary=1)
    result = mean_segmentation_consistency(brightest_channel, images, labels, **options)
    perfect, absent = MeanShare(1.0, pytest.approx((0.025 ** (1 / 4), 1)), 4), MeanShare(None, None, 0)
    assert result.classes == result.labelled_classes == (perfect, perfect, perfect, absent)
    assert (result.boundary, result.labelled_boundary) == (perfect, perfect)


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_opposite_predictions_are_never_consistent(circular):
    result = mean_segmentation_consistency(disagreeing, noise(4), max_shift=8, circular=circular)
    assert (result.mean, result.interval) == (0.0, pytest.approx((0, 1 - 0.025 ** (1 / 4))))


@pytest.mark.parametrize(('classes', 'circular'), [(2, False), (19, True)])
def test_random_predictions_agree_by_chance(classes, circular):
    images = [torch.zeros(1, 48, 64)] * 40
    result = mean_segmentation_consistency(random_classes(classes), images, max_shift=8, circular=circular)
    deviation = (1 / classes * (1 - 1 / classes) / (40 * 32 * 48)) ** 0.5
    assert result.mean == pytest.approx(1 / classes, abs=4 * deviation)


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_random_predictions_agree_by_chance_in_every_region(circular):
    count, stripes = 40, torch.arange(64).expand(48, 64) // 16  # 4 classes and 3 boundaries, each in all overlaps
    options = dict(max_shift=8, circular=circular, num_classes=5, boundary=3)
    result = mean_segmentation_consistency(
        random_classes(5), [torch.zeros(1, 48, 64)] * count, [stripes] * count, **options
    )
    expected = {
        'classes': (result.classes, 32 * 48 / 5),
        'labelled classes': (result.labelled_classes[:4], 32 * 8),
        'everything is near a boundary of noise': ([result.boundary], 32 * 48),
        'labelled boundary': ([result.labelled_boundary], 32 * 6 * 3),
        'labelled interior': ([result.labelled_interior], 32 * (48 - 6 * 3)),
    }
    for region, (shares, fewest_pixels) in expected.items():
        bound = 4 * (1 / 5 * 4 / 5 / (count * fewest_pixels)) ** 0.5
        assert [share.mean for share in shares] == pytest.approx([1 / 5] * len(shares), abs=bound), region
    assert result.labelled_classes[4].images == 0


@pytest.mark.parametrize('padding_mode', ['circular', 'zeros'])
def test_circular_shifts_need_circular_padding(padding_mode):
    torch.manual_seed(0)
    network = nn.Conv2d(3, 5, 3, padding=1, padding_mode=padding_mode).double()
    images = noise(3).double()
    options = dict(max_shift=24, circular=True, num_classes=5, boundary=1)
    result = mean_segmentation_consistency(lambda x: network(x).argmax(1), images, **options)
    for mean in (result.mean, result.boundary.mean, min(share.mean for share in result.classes if share.images)):
        assert (mean == 1.0) == (padding_mode == 'circular')


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


def blobs(classes, size, seed):
    """Regions of 5x5 pixels, so that some of them are far from any boundary."""
    coarse = torch.randint(classes, (6, 6), generator=torch.Generator().manual_seed(seed))
    return coarse.repeat_interleave(5, 0).repeat_interleave(5, 1)[: size[0], : size[1]]


def subsampled(views):
    """The class of every third pixel, for all nine around it: what an image says depends on where its view begins."""
    coarse = (views[:, 0, ::3, ::3] * 4).long()
    fine = coarse.repeat_interleave(3, 1).repeat_interleave(3, 2)
    return fine[:, : views.shape[-2], : views.shape[-1]]


def regions_by_brute_force(images, labels, max_shift, seed, ignore_index, circular, num_classes, boundary):
    """Mean share and number of images of each region, by loops over the pixels of each image."""
    found = {}
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        _, height, width = image.shape
        h, w = (height, width) if circular else (height - max_shift, width - max_shift)
        seen = []
        for y, x in draw_offsets(seed, index, max_shift):
            rows, columns = [(y + i) % height for i in range(h)], [(x + j) % width for j in range(w)]
            classes = subsampled(image[None][:, :, rows][:, :, :, columns])[0]
            seen.append({(r, c): classes[i, j].item() for i, r in enumerate(rows) for j, c in enumerate(columns)})
        shared = seen[0].keys() & seen[1].keys()
        a, b = ({place: classes[place] for place in shared} for classes in seen)
        true = {place: label[place].item() for place in shared}

        def near(classes, place):
            reach = range(-boundary, boundary + 1)
            around = ((place[0] + i, place[1] + j) for i in reach for j in reach)
            return any(classes.get(neighbour, classes[place]) != classes[place] for neighbour in around)

        counted = [place for place in shared if true[place] != ignore_index]
        regions = {
            'boundary': [place for place in shared if near(a, place) or near(b, place)],
            'interior': [place for place in shared if not (near(a, place) or near(b, place))],
            'labelled_boundary': [place for place in counted if near(true, place)],
            'labelled_interior': [place for place in counted if not near(true, place)],
        }
        for number in range(num_classes):
            regions['classes', number] = [place for seen in (a, b) for place in shared if seen[place] == number]
            regions['labelled_classes', number] = [place for place in counted if true[place] == number]
        for region, places in regions.items():
            if places:
                found.setdefault(region, []).append(sum(a[place] == b[place] for place in places) / len(places))
    return {region: (sum(shares) / len(shares), len(shares)) for region, shares in found.items()}


@pytest.mark.parametrize('circular', [False, True], ids=['crops', 'circular'])
def test_regions_match_brute_force(circular):
    sizes = [(16, 16), (17, 25), (30, 18)]
    images = [blobs(4, size, seed)[None] / 4 for seed, size in enumerate(sizes)]
    labels = [blobs(seed + 2, size, seed + 5) for seed, size in enumerate(sizes)]
    options = dict(max_shift=8, seed=4, circular=circular, ignore_index=2, num_classes=5, boundary=1)
    result = mean_segmentation_consistency(subsampled, images, labels, **options)
    expected = regions_by_brute_force(images, labels, **options)
    for name in ('boundary', 'interior', 'labelled_boundary', 'labelled_interior'):
        share = getattr(result, name)
        assert (share.mean, share.images) == (pytest.approx(expected[name][0], abs=1e-12), expected[name][1])
    for name in ('classes', 'labelled_classes'):
        for number, share in enumerate(getattr(result, name)):
            mean, count = expected.get((name, number), (None, 0))
            assert (share.mean, share.images) == (mean if mean is None else pytest.approx(mean, abs=1e-12), count)
    assert [share.images for share in result.labelled_classes] == [3, 3, 0, 1, 0]  # 2 is ignored


def test_one_class_has_no_boundary():
    result = mean_segmentation_consistency(
        lambda views: torch.zeros(2, 16, 24), noise(2), [torch.zeros(24, 32)] * 2, max_shift=8, boundary=2
    )
    for boundary, interior in (
        (result.boundary, result.interior),
        (result.labelled_boundary, result.labelled_interior),
    ):
        assert (boundary, interior) == (MeanShare(None, None, 0), MeanShare(1.0, pytest.approx((0.025**0.5, 1)), 2))


def test_kept_numbers_do_not_grow_with_the_image():
    def size(side):
        consistency = MeanSegmentationConsistency(max_shift=4, num_classes=3, boundary=1)
        label = torch.arange(side).expand(side, side) % 3
        consistency.update(0, torch.rand(3, side, side), brightest_channel, label)
        return len(pickle.dumps(consistency))

    assert max(size(16), size(256)) < 600  # bytes, three classes included


@pytest.mark.parametrize('subpixel', [2, 4])
def test_fractions_are_compared_at_the_nearest_pixel(subpixel):
    """A wave whose classes are its signs: what a perfect network says between the pixels is known."""
    phase = torch.arange(24, dtype=torch.float64) + 0.6
    image = torch.sin(2 * torch.pi * phase / 24).expand(1, 24, 24)
    shares = []
    for index in range(20):
        (_, first), (_, second) = draw_subpixel_offsets(3, index, 8, subpixel=subpixel)
        rest = second - round(second)
        same = [((x + 0.6) % 24 < 12) == ((x + rest + 0.6) % 24 < 12) for x in range(24)]
        shares.append(sum(same) / 24)
        assert first == int(first)
    options = dict(max_shift=8, seed=3, circular=True, subpixel=subpixel, boundary=1)
    result = mean_segmentation_consistency(lambda x: x[:, 0] > 0, [image] * 20, **options)
    assert len(set(shares)) > 1
    assert result.mean == pytest.approx(sum(shares) / 20, abs=1e-12)
    assert result.interior.mean == 1.0


def test_ignored_image_leaves_the_labelled_mean_only():
    labels = torch.zeros(3, 24, 32, dtype=torch.long)
    labels[1] = 255
    result = mean_segmentation_consistency(brightest_channel, noise(3), labels, max_shift=8)
    assert (result.images, result.labelled_images, result.labelled_mean) == (3, 2, 1.0)


def test_no_labelled_pixel_anywhere():
    consistency = MeanSegmentationConsistency(max_shift=8, num_classes=3, boundary=1)
    consistency.update(0, noise(1)[0], brightest_channel, torch.full((24, 32), 255))
    result = consistency.compute()
    assert (result.mean, result.labelled_mean, result.labelled_interval, result.labelled_images) == (1.0, None, None, 0)
    assert (result.labelled_classes, result.labelled_boundary, result.labelled_interior) == ((), None, None)


def test_single_image_has_no_interval():
    assert mean_segmentation_consistency(brightest_channel, noise(1), max_shift=8).interval is None


def test_seed_changes_the_crops():
    results = {mean_segmentation_consistency(position_dependent, noise(3), max_shift=8, seed=s).mean for s in range(8)}
    assert len(results) > 1


@pytest.mark.parametrize('options', [dict(), dict(num_classes=3, boundary=2)], ids=['all', 'regions'])
def test_images_are_predicted_in_pairs_without_gradient(options):
    shapes = []

    def predict(views):
        shapes.append(tuple(views.shape))
        assert not torch.is_grad_enabled()
        return brightest_channel(views)

    mean_segmentation_consistency(predict, iter(noise(2)), max_shift=8, **options)
    assert shapes == [(2, 3, 16, 24)] * 2


@pytest.mark.parametrize(
    ('result', 'text'),
    [
        (SegmentationConsistency(0.5, None, 1), 'mASSC 50.00 % (n = 1)'),
        (
            SegmentationConsistency(0.5, (0.375, 0.625), 9, 0.75, (0.625, 0.8), 8),
            'mASSC 50.00 [37.50, 62.50] % (n = 9), labelled pixels 75.00 [62.50, 80.00] % (n = 8)',
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
        (dict(max_shift=1), 'max_shift must be at least 2, got 1'),
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(labels=torch.zeros(2, 24, 31)), r"label must have the image's size \(24, 32\), got shape \(24, 31\)"),
        (dict(labels=torch.zeros(1, 24, 32)), 'labels must hold one per image, got too few'),
        (dict(labels=torch.full((2, 24, 32), 255)), 'labels must have a pixel other than ignore_index 255 .* got none'),
        (dict(num_classes=0), 'num_classes must be at least 1, got 0'),
        (dict(num_classes=2), 'pred_. must hold classes from 0 to 1, got 0 to 2'),
        (dict(num_classes=3, labels=torch.full((2, 24, 32), 3)), 'label must hold classes from 0 to 2, got 3 to 3'),
        (dict(boundary=0), 'boundary must be at least 1, got 0'),
        (dict(subpixel=0), 'subpixel must be at least 1, got 0'),
        (dict(subpixel=2), 'subpixel must be 1, or above 1 and circular True, got 2 and False'),
        (dict(ignore_index=None), 'ignore_index must be an integer, got None'),
        (dict(boundary='5'), "boundary must be an integer of at least 1, got '5'"),
        (dict(predict=lambda views: views[:, 0]), r'class maps of predict must hold .* got 0\.\d+ of torch.float32'),
        (dict(predict=lambda views: views[:, 0] * torch.nan), 'class maps of predict must hold classes, .* got nan of'),
        (
            dict(labels=torch.full((2, 24, 32), -1)),
            'label must hold classes of at least 0, or .* 255, got -1',
        ),
        (dict(labels=torch.zeros(3, 24, 32)), 'labels must hold one per image, got too many'),
        (
            dict(predict=lambda views: views),
            r'predict must return .* shape \(2, 16, 24\), got \(2, 3, 16, 24\)',
        ),
    ],
    ids=[
        'no-images',
        'small-image',
        'small-circular',
        'max_shift',
        'seed',
        'label-size',
        'few',
        'all-ignored',
        'no-class',
        'too-few-classes',
        'unknown-label',
        'no-band',
        'subpixel',
        'subpixel-crops',
        'ignore_index',
        'text',
        'probabilities',
        'nan',
        'negative-label',
        'many',
        'logits',
    ],
)
def test_bad_argument(changes, message):
    arguments = dict(predict=brightest_channel, images=noise(2), max_shift=8) | changes
    with pytest.raises(ValueError, match=message):
        mean_segmentation_consistency(**arguments)
