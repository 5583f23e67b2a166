import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from antialias_plugins.metrics.instance_shapes import areas, clip, ious

SPANS = [(4, 20), (2, 20)]  # rows, then columns


def random_boxes(count, seed):
    corners = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * 20
    sides = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed + 1)) * 15
    return torch.cat([corners, corners + sides], 1).double()


def test_boxes_match_torchvision():
    first, second = random_boxes(40, 0), random_boxes(30, 2)
    assert (box_iou(first, second) > 0).sum() > 100
    torch.testing.assert_close(ious(first, second), box_iou(first, second), rtol=1e-14, atol=0)


def test_masks_match_numpy():
    rng = np.random.default_rng(0)
    first, second = rng.random((6, 9, 11)) < 0.5, rng.random((5, 9, 11)) < 0.3
    expected = [[np.logical_and(a, b).sum() / np.logical_or(a, b).sum() for b in second] for a in first]
    assert ious(torch.from_numpy(first), torch.from_numpy(second)).tolist() == expected


def test_masks_of_rectangles_are_as_boxes():
    corners = torch.randint(12, (20, 2), generator=torch.Generator().manual_seed(0))
    boxes = torch.cat([corners, corners + torch.randint(1, 9, (20, 2))], 1)
    masks = torch.zeros(20, 20, 20, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        mask[top:bottom, left:right] = True
    assert areas(masks).tolist() == areas(boxes.double()).tolist()
    assert ious(masks, masks).tolist() == ious(boxes.double(), boxes.double()).tolist()


@pytest.mark.parametrize(
    ('box', 'clipped', 'area'),
    [
        ((3, 5, 8, 9), (5, 9, 10, 13), 20),
        ((-1, -3, 8, 9), (2, 4, 10, 13), 72),
        ((10, 10, 30, 30), (12, 14, 20, 20), 48),
        ((0, 0, 8, 0), (2, 4, 10, 4), 0),
        ((0, -4, 8, -1), (2, 4, 10, 4), 0),
        ((8, 5, 3, 9), (10, 9, 5, 13), 0),
    ],
    ids=['inside', 'top-left', 'bottom-right', 'flat', 'outside', 'inverted'],
)
def test_clip_boxes(box, clipped, area):
    found = clip(torch.tensor([box]).float(), SPANS, (4, 2))
    assert (found.tolist(), found.dtype) == ([list(clipped)], torch.float64)
    assert areas(found).tolist() == [area]


def test_clip_masks():
    image = torch.arange(24 * 22).view(1, 24, 22)
    crop = image[:, 4:24, 2:22] % 3 == 0
    assert torch.equal(clip(crop, SPANS, (4, 2)), image[:, 4:20, 2:20] % 3 == 0)


def test_tenths_are_exact():
    """At the published limit nothing may depend on rounding: 9 of 10 pixels, in many sizes, are 0.9."""
    for scale in (1, 3, 7, 11, 1001):
        whole = torch.tensor([[0.0, 0, 10, scale]]).double()
        part = torch.tensor([[0.0, 0, 9, scale]]).double()
        assert ious(whole, part).item() == 0.9
