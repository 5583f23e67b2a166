import pytest
import torch

from antialias_plugins.metrics import ViewPlan, draw_batch_offsets, draw_offsets, draw_subpixel_offsets, fourier_shift


def coordinates(height, width):
    """An image whose pixel says where it lies."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    return torch.stack([rows, columns])


def corners(views):
    return [tuple(view[:, 0, 0].tolist()) for view in views]


def test_crops_begin_at_their_offsets_in_the_central_frame():
    plan = ViewPlan(max_shift=4, crop_size=(6, 8), views=3, seed=2)
    views = plan.cut(5, coordinates(13, 12))
    assert views.shape == (3, 2, 6, 8)
    # A frame of 10x12 in an image of 13x12 begins at row 1.
    assert corners(views) == [(1 + y, x) for y, x in draw_offsets(2, 5, 4, 3)]


def test_circular_views_wrap_the_central_crop():
    plan = ViewPlan(max_shift=4, crop_size=(6, 8), circular=True)
    centre = coordinates(13, 12)[:, 3:9, 2:10]
    views = plan.cut(7, coordinates(13, 12))
    for view, (y, x) in zip(views, draw_offsets(0, 7, 4), strict=True):
        assert torch.equal(view, centre[:, [(y + i) % 6 for i in range(6)]][:, :, [(x + j) % 8 for j in range(8)]])


def test_fractional_views_shift_the_central_crop():
    plan = ViewPlan(max_shift=4, crop_size=(6, 8), views=3, circular=True, subpixel=4)
    image = coordinates(13, 12).double()
    expected = [fourier_shift(image[:, 3:9, 2:10], (-y, -x)) for y, x in draw_subpixel_offsets(0, 7, 4, 3, subpixel=4)]
    torch.testing.assert_close(plan.cut(7, image), torch.stack(expected), atol=0, rtol=0)


def test_published_sizes():
    plan = ViewPlan()
    assert plan.frame_size == (256, 256)
    assert plan.cut(0, torch.zeros(3, 256, 256, dtype=torch.uint8)).shape == (2, 3, 224, 224)


def test_legacy_batches_share_their_offsets():
    plan = ViewPlan(max_shift=8, crop_size=16, protocol='legacy', batch_size=3, seed=1)
    offsets = [plan.offsets(index) for index in range(7)]
    assert offsets[0] == offsets[1] == offsets[2] != offsets[3] == offsets[4] == offsets[5] != offsets[6]
    assert offsets[6] == [offset for repeat in range(5) for offset in draw_batch_offsets(1, repeat, 2, 8)]


@pytest.mark.parametrize(
    ('plan', 'text'),
    [
        (ViewPlan(), '2 crops of 224×224 from 256×256, seed 0'),
        (ViewPlan(views=3, circular=True, seed=4), '3 crops of 224×224 shifted circularly, seed 4'),
        (
            ViewPlan(protocol='legacy', batch_size=8),
            '2 crops of 224×224 from 256×256, shared by 8 images, 5 repeats, seed 0',
        ),
        (
            ViewPlan(circular=True, subpixel=4),
            '2 crops of 224×224 shifted circularly, in steps of 1/4 pixel, seed 0',
        ),
    ],
    ids=['crops', 'circular', 'legacy', 'subpixel'],
)
def test_str(plan, text):
    assert str(plan) == text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(max_shift=1), r'max_shift must be between 2 and .* \(224, 224\), got 1'),
        (dict(max_shift=9, crop_size=(8, 20)), r'max_shift must be between 2 and .* \(8, 20\), got 9'),
        (dict(views=1), 'views must be between 2 and max_shift² = 1024, got 1'),
        (dict(views=5, max_shift=2), 'views must be between 2 and max_shift² = 4, got 5'),
        (dict(seed=-1), 'seed must be at least 0, got -1'),
        (dict(protocol='old'), "protocol must be 'per_image' or 'legacy', got 'old'"),
        (dict(batch_size=8), 'batch_size must be None unless the protocol is legacy, got 8'),
        (dict(protocol='legacy'), 'batch_size must be at least 1 for the legacy protocol, got None'),
        (dict(protocol='legacy', batch_size=0), 'batch_size must be at least 1 for the legacy protocol, got 0'),
        (dict(subpixel=0), 'subpixel must be at least 1, got 0'),
        (dict(subpixel=2), "subpixel must be 1 unless .* got 2 with circular False and protocol 'per_image'"),
        (
            dict(subpixel=2, circular=True, protocol='legacy', batch_size=8),
            "subpixel must be 1 unless .* got 2 with circular True and protocol 'legacy'",
        ),
    ],
    ids=[
        'no-shift',
        'shift',
        'one-view',
        'views',
        'seed',
        'protocol',
        'batch_size',
        'no-batch_size',
        'batch_size-0',
        'subpixel',
        'subpixel-crops',
        'subpixel-legacy',
    ],
)
def test_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        ViewPlan(**arguments)


@pytest.mark.parametrize(
    ('shape', 'circular', 'message'),
    [
        ((3, 255, 300), False, 'image must be at least 256x256, got 255x300'),
        ((3, 300, 223), True, 'image must be at least 224x224, got 300x223'),
        ((256, 256), False, r'image must have shape \(C, H, W\), got \(256, 256\)'),
    ],
    ids=['crops', 'circular', 'no-channels'],
)
def test_bad_image(shape, circular, message):
    with pytest.raises(ValueError, match=message):
        ViewPlan(circular=circular).cut(0, torch.zeros(shape))
