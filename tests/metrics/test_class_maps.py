import pytest
import torch

from antialias_plugins.metrics.class_maps import place


def test_crops_stay():
    maps = torch.arange(24).view(2, 3, 4)
    placed, corners = place(maps, [(0, 1), (2, 0)], circular=False)
    assert torch.equal(placed, maps)
    assert corners == [(0, 1), (2, 0)]


@pytest.mark.parametrize(
    ('offset', 'rolled'),
    [((0, 1), 1), ((0, 0.75), 1), ((0, 1.25), 1), ((0, 0.25), 0), ((0, 3.75), 4), ((3, 2), 2)],
    ids=str,
)
def test_circular_maps_are_rolled_back_to_the_nearest_pixel(offset, rolled):
    begun_later = torch.arange(4).roll(-rolled).expand(3, 4)
    placed, corners = place(begun_later[None], [offset], circular=True)
    assert placed[0].tolist() == [[0, 1, 2, 3]] * 3
    assert corners == [(0, 0)]
