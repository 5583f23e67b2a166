import pytest
import torch
from torch.nn.functional import interpolate

from antialias_plugins.openmmlab.segmentation.super_resolution_head import LearnedUpsampling


@pytest.mark.parametrize('factor', [2, 4])
def test_begins_as_bilinear_interpolation(factor):
    maps = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    enlarged = LearnedUpsampling(3, factor).double()(maps)
    expected = interpolate(maps, scale_factor=factor, mode='bilinear', align_corners=False)

    inside = (..., slice(factor, -factor), slice(factor, -factor))
    assert enlarged.shape == expected.shape
    torch.testing.assert_close(enlarged[inside], expected[inside], rtol=0, atol=1e-14)


def test_classes_may_mix():
    layer = LearnedUpsampling(3)
    layer(torch.randn(1, 3, 4, 4)).square().sum().backward()
    assert (layer.weight.grad != 0).all()


@pytest.mark.parametrize('factor', [0, 3])
def test_factor_must_be_even(factor):
    with pytest.raises(ValueError, match=f'factor must be even, got {factor}'):
        LearnedUpsampling(3, factor)
