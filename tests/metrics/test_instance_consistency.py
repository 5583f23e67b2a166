import pickle
from statistics import fmean

import pytest
import torch

from antialias_plugins.metrics import (
    InstanceConsistency,
    Instances,
    MeanInstanceConsistency,
    MeanShare,
    draw_offsets,
    mean_instance_consistency,
    mean_interval,
)

SIZE, MAX_SHIFT = (40, 48), 8
RECTANGLES = [(10, 12, 24, 20), (26, 12, 30, 30), (9, 24, 22, 31)]  # left, top, right, bottom: in every crop


def paint(*rectangles):
    """An image that is 0 but for its rectangles, which have the numbers from 1 on."""
    image = torch.zeros(1, *SIZE)
    for number, (left, top, right, bottom) in enumerate(rectangles, 1):
        image[:, top:bottom, left:right] = number
    return image


def find(view):
    """Finds every number, as a class of its own, wherever the crop is."""
    labels = view.unique()
    labels = labels[labels > 0]
    masks = view[0] == labels[:, None, None]
    places = [mask.nonzero() for mask in masks]
    boxes = [[*place.amin(0).flip(0).tolist(), *(place.amax(0) + 1).flip(0).tolist()] for place in places]
    return Instances(torch.ones(len(labels)), labels, torch.tensor(boxes).float().view(-1, 4), masks)


def perfect(views):
    return [find(view) for view in views]


def without(kind):
    """The same detector without boxes, or without masks."""

    def predict(views):
        shapes = [(one, {'box': one.boxes, 'mask': one.masks} | {kind: None}) for one in perfect(views)]
        return [Instances(one.scores, one.labels, kept['box'], kept['mask']) for one, kept in shapes]

    return predict


def forgetful(keep):
    """Of the second crop's instances, keeps some; ``keep`` maps their number to how many."""

    def predict(views):
        first, second = perfect(views)
        kept = slice(keep(len(second.labels)))
        return first, Instances(second.scores[kept], second.labels[kept], second.boxes[kept], second.masks[kept])

    return predict


def test_perfect_detector():
    result = mean_instance_consistency(perfect, [paint(*RECTANGLES)] * 4, max_shift=MAX_SHIFT)
    perfect_share = MeanShare(1.0, pytest.approx((0.025 ** (1 / 4), 1)), 4)
    assert result == InstanceConsistency(perfect_share, perfect_share, 4)


@pytest.mark.parametrize('kind', ['mask', 'box'])
def test_detector_without(kind):
    result = mean_instance_consistency(without(kind), [paint(*RECTANGLES)] * 2, max_shift=MAX_SHIFT)
    shares = {'mask': result.mask, 'box': result.box}
    assert shares.pop(kind) is None
    assert list(shares.values()) == [MeanShare(1.0, pytest.approx((0.025**0.5, 1)), 2)]


def test_mean_over_images_by_hand():
    """Three, two, one and no instances, of which the second crop loses one: 2·2/5, 2·1/3, 0/1 and nothing at all."""
    images = [paint(*RECTANGLES[:count]) for count in (3, 2, 1, 0)]
    result = mean_instance_consistency(forgetful(lambda count: max(count - 1, 0)), images, max_shift=MAX_SHIFT)
    shares = [4 / 5, 2 / 3, 0.0]
    assert result.images == 4
    assert result.mask == result.box
    assert (result.mask.mean, result.mask.images) == (pytest.approx(fmean(shares), abs=1e-15), 3)
    assert result.mask.interval == mean_interval(shares)[1]


def test_image_without_instances_is_left_out():
    consistency = MeanInstanceConsistency(MAX_SHIFT)
    agreements = consistency.update(0, paint(), perfect)
    assert {kind: agreement.share for kind, agreement in agreements.items()} == {'mask': None, 'box': None}
    nothing = MeanShare(None, None, 0)
    assert consistency.compute() == InstanceConsistency(nothing, nothing, 1)
    consistency.update(1, paint(*RECTANGLES), perfect)
    assert consistency.compute() == InstanceConsistency(MeanShare(1.0, None, 1), MeanShare(1.0, None, 1), 2)


@pytest.mark.parametrize(
    ('images', 'options', 'message'),
    [
        ([paint()] * 3, {}, 'score 0.5 or more and of 10 pixels or more in the overlap .* got none in 3 images'),
        ([paint((20, 20, 23, 23))], {}, 'got none in 1 images'),
        ([paint(*RECTANGLES)], dict(min_area=200), 'of 200 pixels or more .* got none in 1 images'),
        ([], {}, 'images must hold at least one image, got none'),
    ],
    ids=['blank', 'tiny', 'area', 'no-images'],
)
def test_nothing_is_an_error(images, options, message):
    with pytest.raises(ValueError, match=message):
        mean_instance_consistency(perfect, images, max_shift=MAX_SHIFT, **options)


def jittery(views):
    """Widens what it finds by one pixel to the right of every eighth column of the view, as aliasing might."""
    found = []
    for view in views:
        widened = view.clone()
        edges = (view[:, :, 1:] == 0) & (view[:, :, :-1] > 0) & (torch.arange(view.shape[-1] - 1) % 8 < 4)
        widened[:, :, 1:][edges] = view[:, :, :-1][edges]
        found.append(find(widened))
    return found


def test_jitter_is_counted():
    """The number of images and instances that changed, seen from where their right edges lie in the two crops."""
    images = [paint(*RECTANGLES)] * 30
    shares = []
    for index in range(30):
        (_, first), (_, second) = draw_offsets(0, index, MAX_SHIFT)
        positive = 0
        for left, _, right, _ in RECTANGLES:
            widths = sorted(right - left + ((right - 1 - shift) % 8 < 4) for shift in (first, second))
            positive += widths[0] / widths[1] >= 0.9
        shares.append(positive / 3)
    assert len(set(shares)) > 1
    result = mean_instance_consistency(jittery, images, max_shift=MAX_SHIFT)
    assert result.mask.mean == result.box.mean == pytest.approx(fmean(shares), abs=1e-15)
    assert mean_instance_consistency(jittery, images, max_shift=MAX_SHIFT, iou_threshold=0.75).mask.mean == 1.0


def test_seed_changes_the_crops():
    results = {mean_instance_consistency(jittery, [paint(*RECTANGLES)] * 3, max_shift=8, seed=s).mask for s in range(8)}
    assert len(results) > 1


def test_images_are_predicted_in_pairs_without_gradient():
    shapes = []

    def predict(views):
        shapes.append(tuple(views.shape))
        assert not torch.is_grad_enabled()
        return perfect(views)

    mean_instance_consistency(predict, iter([paint(*RECTANGLES)] * 2), max_shift=MAX_SHIFT)
    assert shapes == [(2, 1, 32, 40)] * 2


def test_kept_numbers_do_not_grow_with_the_image():
    def size(repeat):
        consistency = MeanInstanceConsistency(MAX_SHIFT)
        image = paint(*RECTANGLES).repeat_interleave(repeat, 1).repeat_interleave(repeat, 2)
        consistency.update(0, image, perfect)
        return len(pickle.dumps(consistency))

    assert size(1) == size(4)


@pytest.mark.parametrize(
    ('result', 'text'),
    [
        (
            InstanceConsistency(MeanShare(0.5, (0.375, 0.625), 9), MeanShare(0.75, (0.625, 0.8), 10), 12),
            'mAISC 50.00 [37.50, 62.50] % (n = 9), box AISC 75.00 [62.50, 80.00] % (n = 10), of 12 images',
        ),
        (InstanceConsistency(None, MeanShare(0.75, None, 1), 1), 'box AISC 75.00 % (n = 1), of 1 images'),
    ],
    ids=['both', 'boxes'],
)
def test_str(result, text):
    assert str(result) == text


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(max_shift=21), 'max_shift must not exceed half .* got 21 for an image of 40x48'),
        (dict(max_shift=1), 'max_shift must be at least 2, got 1'),
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(score_threshold=50), 'score_threshold must be between 0 and 1, got 50'),
        (dict(iou_threshold=1.5), 'iou_threshold must be above 0 and at most 1, got 1.5'),
        (dict(min_area=0), 'min_area must be at least 1, got 0'),
        (dict(predict=lambda views: perfect(views)[:1]), 'predict must return the instances of two views'),
        (
            dict(predict=lambda views: [perfect(views)[0], without('mask')(views)[1]]),
            r"shapes of the same kinds, got \[\['mask', 'box'\], \['box'\]\]",
        ),
        (
            dict(predict=lambda views: perfect(views[..., 1:])),
            r'masks must have the size \(32, 40\) of the crops, got \(32, 39\)',
        ),
    ],
    ids=['small-image', 'max_shift', 'seed', 'score', 'iou', 'area', 'one-view', 'kinds', 'mask-size'],
)
def test_bad_argument(changes, message):
    arguments = dict(predict=perfect, images=[paint(*RECTANGLES)], max_shift=MAX_SHIFT) | changes
    with pytest.raises(ValueError, match=message):
        mean_instance_consistency(**arguments)
