import pytest
import torch
from torch.nn.functional import interpolate

from antialias_plugins.openmmlab.segmentation.super_resolution_head import (
    LearnedUpsampling,
    SubPixelUpsampling,
    TransposedUpsampling,
)


@pytest.mark.parametrize(
    ('upsampling', 'factor', 'parameters'),
    [
        (SubPixelUpsampling(10, 4), 4, (25 * 10 + 1) * 64 + (9 * 64 + 1) * 32 + (9 * 32 + 1) * 48),
        (
            TransposedUpsampling(10, 4, (6, 5)),
            4,
            (4 * 10 * 6 + 6) + 2 * (9 * 6 + 1) * 6 + 36 + (4 * 6 * 5 + 5) + 2 * (9 * 5 + 1) * 5 + 25 + (5 + 1) * 3,
        ),
    ],
    ids=['sub-pixel', 'transposed'],
)
def test_size_and_parameters(upsampling, factor, parameters):
    assert upsampling(torch.randn(2, 10, 3, 5)).shape == (2, 3, 3 * factor, 5 * factor)
    assert sum(parameter.numel() for parameter in upsampling.parameters()) == parameters


def test_pixels_of_a_square_come_from_one_place():
    upsampling = SubPixelUpsampling(1, 2, (1, 1)).double()
    for parameter in upsampling.parameters():
        torch.nn.init.zeros_(parameter)
    upsampling[4].bias.data = torch.arange(12, dtype=torch.float64)
    image = upsampling(torch.zeros(1, 1, 2, 2, dtype=torch.float64))
    assert image[0].tolist() == [[[4 * c, 4 * c + 1] * 2, [4 * c + 2, 4 * c + 3] * 2] * 2 for c in range(3)]


@torch.no_grad()
@pytest.mark.parametrize(
    ('upsampling', 'last'), [(SubPixelUpsampling, 4), (TransposedUpsampling, 3)], ids=['sub-pixel', 'transposed']
)
def test_begins_with_an_empty_image_made_from_features_of_full_variance(upsampling, last):
    """PyTorch's own initialization leaves a few hundredths of the variance at most."""
    layers, features = list(upsampling(64, 8)), torch.randn(4, 64, 16, 16)
    for layer in layers[:last]:
        features = layer(features)
    assert 0.25 < features.var() < 4
    assert not layers[last](features).any()


def test_factor_must_fit_the_stages():
    with pytest.raises(ValueError, match='factor must be 2 to the power of the 3 stages, got 4'):
        TransposedUpsampling(10, 4)


@pytest.mark.parametrize('factor', [2, 4])
def test_learned_upsampling_begins_as_bilinear_interpolation(factor):
    maps = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    enlarged = LearnedUpsampling(3, factor).double()(maps)
    expected = interpolate(maps, scale_factor=factor, mode='bilinear', align_corners=False)

    inside = (..., slice(factor, -factor), slice(factor, -factor))
    assert enlarged.shape == expected.shape
    torch.testing.assert_close(enlarged[inside], expected[inside], rtol=0, atol=1e-14)


def test_classes_may_mix_in_learned_upsampling():
    layer = LearnedUpsampling(3)
    layer(torch.randn(1, 3, 4, 4)).square().sum().backward()
    assert (layer.weight.grad != 0).all()


@pytest.mark.parametrize('factor', [0, 3])
def test_factor_of_learned_upsampling_must_be_even(factor):
    with pytest.raises(ValueError, match=f'factor must be even, got {factor}'):
        LearnedUpsampling(3, factor)
