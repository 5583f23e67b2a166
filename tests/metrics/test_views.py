import pytest
import torch

from antialias_plugins.metrics import shifted_views
from antialias_plugins.metrics.views import centre_part


def test_crops_by_hand():
    image = torch.arange(20).view(1, 4, 5)
    views = shifted_views(image, [(0, 0), (1, 1)], max_shift=2)
    assert views.tolist() == [[[[0, 1, 2], [5, 6, 7]]], [[[6, 7, 8], [11, 12, 13]]]]


def test_circular_by_hand():
    image = torch.arange(4).view(1, 2, 2)
    views = shifted_views(image, [(0, 1), (1, 0)], max_shift=2, circular=True)
    assert views.tolist() == [[[[1, 0], [3, 2]]], [[[2, 3], [0, 1]]]]


def test_published_protocol():
    image = torch.zeros(3, 256, 256, dtype=torch.uint8)
    views = shifted_views(image, [(0, 0), (31, 31)], max_shift=32)
    assert views.shape == (2, 3, 224, 224)
    assert views.dtype == torch.uint8


def test_circular_view_between_two_pixels():
    # The interpolation of 4 pixels: half a pixel on, each neighbour weighs cot(π/8)/4, or sin(3π/8)/sin(π/8)/4.
    image = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]], dtype=torch.float64)
    [view] = shifted_views(image, [(0, 0.5)], max_shift=1, circular=True)
    near, far = (1 + 2**0.5) / 4, (1 - 2**0.5) / 4
    assert view[0, 0].tolist() == pytest.approx([near, far, far, near], abs=1e-12)


def test_crop_between_two_pixels():
    with pytest.raises(ValueError, match=r'offsets must be whole pixels unless .* got \[\(0, 1\), \(0, 0.5\)\]'):
        shifted_views(torch.zeros(1, 8, 8), [(0, 1), (0, 0.5)], max_shift=2)


@pytest.mark.parametrize(
    ('shape', 'circular', 'message'),
    [
        ((1, 7, 20), False, 'half the shorter side of the image, got 4 for an image of 7x20'),
        ((1, 20, 7), False, 'half the shorter side of the image, got 4 for an image of 20x7'),
        ((1, 3, 20), True, 'the shorter side of the image, got 4 for an image of 3x20'),
        ((8, 8), False, r'image must have shape \(C, H, W\), got \(8, 8\)'),
    ],
    ids=['rows', 'columns', 'circular', 'no-channels'],
)
def test_bad_image(shape, circular, message):
    with pytest.raises(ValueError, match=message):
        shifted_views(torch.zeros(shape), [(0, 0), (3, 3)], max_shift=4, circular=circular)


@pytest.mark.parametrize(
    ('size', 'expected'),
    [((2, 3), [[6, 7, 8], [11, 12, 13]]), ((4, 5), torch.arange(20).view(4, 5).tolist()), ((1, 2), [[6, 7]])],
    ids=['even-margins', 'all', 'odd-margins'],
)
def test_centre_by_hand(size, expected):
    assert centre_part(torch.arange(20).view(1, 4, 5), size).tolist() == [expected]
